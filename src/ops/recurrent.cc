// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"
#include "ops/product.h"
#include "tensor/elements.h"

namespace planish {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

struct ActivationRow {
  const char* name;
  double (*apply)(double x, double alpha, double beta);
  std::optional<double> alpha, beta;  // defaults; none: the function has no such parameter
};

constexpr double kLeak = 0.009999999776482582;  // 0.01 as float32

const ActivationRow kActivations[] = {
    {"relu", [](double x, double, double) { return x > 0 ? x : 0 * x; }, {}, {}},
    {"tanh", [](double x, double, double) { return std::tanh(x); }, {}, {}},
    {"sigmoid", [](double x, double, double) { return logistic(x); }, {}, {}},
    {"affine", [](double x, double a, double b) { return a * x + b; }, 1.0, 0.0},
    {"leakyrelu", [](double x, double a, double) { return x >= 0 ? x : a * x; }, kLeak, {}},
    {"thresholdedrelu", [](double x, double a, double) { return x >= a ? x : 0; }, 1.0, {}},
    {"scaledtanh", [](double x, double a, double b) { return a * std::tanh(b * x); }, 1.0, 1.0},
    {"hardsigmoid",
     [](double x, double a, double b) { return std::min(std::max(a * x + b, 0.0), 1.0); }, 0.2,
     0.5},
    {"elu", [](double x, double a, double) { return x >= 0 ? x : a * std::expm1(x); }, 1.0, {}},
    {"softsign", [](double x, double, double) { return x / (1 + std::fabs(x)); }, {}, {}},
    {"softplus",
     [](double x, double, double) {
       return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
     },
     {},
     {}},
};

const ActivationRow* find_activation(std::string name) {
  for (char& ch : name) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  for (const ActivationRow& row : kActivations)
    if (name == row.name) return &row;
  return nullptr;
}

struct Setup {
  int directions = 1;
  bool first_reversed = false;
  bool batch_first = false;
  double clip = HUGE_VAL;
  std::vector<Activation> activations;  // of all directions, in order
};

std::string read_activations(const Attributes& attributes, const RecurrentForm& form, Setup* out) {
  const size_t wanted = form.functions.size() * static_cast<size_t>(out->directions);
  std::vector<std::string> names = attributes.texts("activations", std::vector<std::string>());
  if (names.empty())
    for (int d = 0; d < out->directions; ++d)
      names.insert(names.end(), form.functions.begin(), form.functions.end());
  if (names.size() < wanted)
    return concat("activations: expected ", wanted, " names, got ", names.size());
  names.resize(wanted);
  // Each function that has a parameter takes the next of the list.
  const auto alphas = attributes.reals("activation_alpha", std::vector<double>());
  const auto betas = attributes.reals("activation_beta", std::vector<double>());
  size_t alpha = 0, beta = 0;
  for (const std::string& name : names) {
    const ActivationRow* row = find_activation(name);
    if (row == nullptr) return concat("activations: there is no function \"", name, "\"");
    Activation a{row->apply, row->alpha.value_or(0), row->beta.value_or(0)};
    if (row->alpha && alpha < alphas.size()) a.alpha = alphas[alpha++];
    if (row->beta && beta < betas.size()) a.beta = betas[beta++];
    out->activations.push_back(a);
  }
  return {};
}

std::string read_setup(const Attributes& attributes, const RecurrentForm& form, Setup* out) {
  const std::string direction = attributes.text("direction", "forward");
  if (direction == "bidirectional")
    out->directions = 2;
  else if (direction == "reverse")
    out->first_reversed = true;
  else if (direction != "forward")
    return concat("direction: expected forward, reverse or bidirectional, got \"", direction, "\"");
  const int64_t layout = attributes.integer("layout", 0);
  if (layout != 0 && layout != 1) return concat("layout: expected 0 or 1, got ", layout);
  out->batch_first = layout == 1;
  const double clip = attributes.real("clip", 0);
  if (clip > 0) out->clip = clip;
  return read_activations(attributes, form, out);
}

template <class Context>
Setup setup_of(const Context& c, const RecurrentForm& form) {
  Setup out;
  const std::string problem = read_setup(c.attributes(), form, &out);
  if (!problem.empty()) c.fail(problem, ErrorCode::kInvalidModel);
  return out;
}

struct Sizes {
  int64_t steps, batch, inputs, hidden;
  int64_t x_row(bool batch_first, int64_t t, int64_t b) const {
    return batch_first ? b * steps + t : t * batch + b;
  }
};

std::vector<double> slice(const Tensor& tensor, int64_t first, int64_t n) {
  std::vector<double> out(static_cast<size_t>(n));
  load<double>(tensor, first, n, out.data());
  return out;
}

std::vector<double> transposed_slice(const Tensor& tensor, int64_t first, int64_t rows,
                                     int64_t columns) {
  const std::vector<double> in = slice(tensor, first, rows * columns);
  std::vector<double> out(in.size());
  transpose_matrix(rows, columns, in.data(), out.data());
  return out;
}

std::vector<int64_t> sequence_lengths(const KernelContext& c, const Sizes& sizes) {
  if (!c.has_input(4)) return std::vector<int64_t>(static_cast<size_t>(sizes.batch), sizes.steps);
  std::vector<int64_t> out = load<int64_t>(c.input(4));
  for (int64_t n : out)
    if (n < 0 || n > sizes.steps)
      c.fail(concat("sequence_lens: expected values from 0 to ", sizes.steps, ", got ", n));
  return out;
}

RecurrentDirection direction_of(const KernelContext& c, const RecurrentForm& form,
                                const Setup& setup, const Sizes& sizes, int index) {
  const int64_t h = sizes.hidden, rows = form.gates * h;
  RecurrentDirection d{.batch = sizes.batch, .hidden = h, .clip = setup.clip};
  d.activations =
      std::span(setup.activations)
          .subspan(static_cast<size_t>(index) * form.functions.size(), form.functions.size());
  d.recurrence = transposed_slice(c.input(2), index * rows * h, rows, h);
  d.input_bias.assign(static_cast<size_t>(rows), 0);
  d.hidden_bias = d.input_bias;
  if (c.has_input(3)) {
    d.input_bias = slice(c.input(3), index * 2 * rows, rows);
    d.hidden_bias = slice(c.input(3), index * 2 * rows + rows, rows);
  }
  d.peepholes.assign(static_cast<size_t>(3 * h), 0);
  if (form.has_cell && c.has_input(7)) d.peepholes = slice(c.input(7), index * 3 * h, 3 * h);
  return d;
}

}  // namespace

double RecurrentDirection::activate(int which, double x) const {
  const Activation& a = activations[static_cast<size_t>(which)];
  // Comparisons that keep a NaN.
  if (x > clip) x = clip;
  if (x < -clip) x = -clip;
  return a.apply(x, a.alpha, a.beta);
}

std::vector<AttributeSpec> recurrent_attributes(std::vector<AttributeSpec> more) {
  std::vector<AttributeSpec> out = {optional("activation_alpha", AttrKind::kFloats),
                                    optional("activation_beta", AttrKind::kFloats),
                                    optional("activations", AttrKind::kStrings),
                                    optional("clip", AttrKind::kFloat),
                                    optional("direction", AttrKind::kString),
                                    optional("hidden_size", AttrKind::kInt),
                                    optional("layout", AttrKind::kInt)};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

void infer_recurrent(InferContext& c, const RecurrentForm& form) {
  const DType dtype = check_float(c, 0);
  for (int i : {1, 2, 3, 5, 6, 7}) check_same_dtype_pair(c, 0, i);
  if (c.has_input(4))
    check_tensor(
        c, 4, [](DType t) { return t == DType::kI32; }, "int32");
  const Setup setup = setup_of(c, form);
  const Dim directions(setup.directions);
  for (int i : {0, 1, 2, 5, 6}) check_rank(c, i, 3);
  for (int i : {3, 7}) check_rank(c, i, 2);
  check_rank(c, 4, 1);
  const int64_t hidden_size = c.attributes().integer("hidden_size", 0);
  if (hidden_size < 0 || hidden_size > INT32_MAX)
    c.fail(concat("hidden_size: expected a positive size, got ", hidden_size),
           ErrorCode::kInvalidModel);
  Dim hidden(hidden_size);
  if (hidden_size == 0) hidden = c.has_rank(2) ? c.shape(2)[2] : c.fresh_dim();
  const Dim steps = c.has_rank(0) ? c.shape(0)[setup.batch_first ? 1 : 0] : c.fresh_dim();
  const Dim batch = c.has_rank(0) ? c.shape(0)[setup.batch_first ? 0 : 1] : c.fresh_dim();
  const Dim rows = hidden * form.gates;
  check_shape(c, 1, {directions, rows, c.has_rank(0) ? c.shape(0)[2] : c.fresh_dim()});
  check_shape(c, 2, {directions, rows, hidden});
  check_shape(c, 3, {directions, rows * 2});
  check_shape(c, 4, {batch});
  const Shape state =
      setup.batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  check_shape(c, 5, state);
  if (form.has_cell) {
    check_shape(c, 6, state);
    check_shape(c, 7, {directions, hidden * 3});
  }
  c.set_output(0, Type::tensor(dtype, setup.batch_first ? Shape{batch, steps, directions, hidden}
                                                        : Shape{steps, directions, batch, hidden}));
  c.set_output(1, Type::tensor(dtype, state));
  if (form.has_cell) c.set_output(2, Type::tensor(dtype, state));
}

namespace {

// Walks one direction over time and writes its part of the outputs.
void run_direction(KernelContext& c, const Setup& setup, const Sizes& sizes, int index,
                   const RecurrentDirection& d, const RecurrentForm& form,
                   const std::vector<int64_t>& lengths, const RecurrentStep& step) {
  const int64_t h = sizes.hidden, rows = form.gates * h, directions = setup.directions;
  const bool reversed = index == 1 || setup.first_reversed;
  const std::vector<double> weights =
      transposed_slice(c.input(1), index * rows * sizes.inputs, rows, sizes.inputs);
  auto state_row = [&](int64_t b) {
    return (setup.batch_first ? b * directions + index : index * sizes.batch + b) * h;
  };
  RecurrentState state;
  state.hidden.assign(static_cast<size_t>(sizes.batch * h), 0);
  state.cell = state.hidden;
  for (int64_t b = 0; b < sizes.batch; ++b) {
    if (c.has_input(5)) load<double>(c.input(5), state_row(b), h, state.hidden.data() + b * h);
    if (form.has_cell && c.has_input(6))
      load<double>(c.input(6), state_row(b), h, state.cell.data() + b * h);
  }
  std::vector<double> x(static_cast<size_t>(sizes.batch * sizes.inputs));
  std::vector<double> product(static_cast<size_t>(sizes.batch * rows));
  const std::vector<double> zeros(static_cast<size_t>(h), 0);
  for (int64_t s = 0; s < sizes.steps; ++s) {
    // A reversed sequence starts at its own end.
    auto time = [&](int64_t b) {
      const int64_t length = lengths[static_cast<size_t>(b)];
      return reversed && s < length ? length - 1 - s : s;
    };
    for (int64_t b = 0; b < sizes.batch; ++b)
      load<double>(c.input(0), sizes.x_row(setup.batch_first, time(b), b) * sizes.inputs,
                   sizes.inputs, x.data() + b * sizes.inputs);
    matrix_product(sizes.batch, rows, sizes.inputs, x.data(), weights.data(), product.data());
    const RecurrentState before = state;
    step(d, product, state);
    for (int64_t b = 0; b < sizes.batch; ++b) {
      const bool ended = s >= lengths[static_cast<size_t>(b)];
      if (ended) {
        std::copy_n(before.hidden.begin() + b * h, h, state.hidden.begin() + b * h);
        std::copy_n(before.cell.begin() + b * h, h, state.cell.begin() + b * h);
      }
      if (!c.wants_output(0)) continue;
      const int64_t at = setup.batch_first ? (b * sizes.steps + time(b)) * directions + index
                                           : (time(b) * directions + index) * sizes.batch + b;
      store<double>(c.output(0), at * h, h, ended ? zeros.data() : state.hidden.data() + b * h);
    }
  }
  for (int64_t b = 0; b < sizes.batch; ++b) {
    if (c.wants_output(1)) store<double>(c.output(1), state_row(b), h, state.hidden.data() + b * h);
    if (form.has_cell && c.wants_output(2))
      store<double>(c.output(2), state_row(b), h, state.cell.data() + b * h);
  }
}

}  // namespace

void run_recurrent(KernelContext& c, const RecurrentForm& form, const RecurrentStep& step) {
  const Setup setup = setup_of(c, form);
  const Tensor& x = c.input(0);
  const Sizes sizes{.steps = x.dim(setup.batch_first ? 1 : 0),
                    .batch = x.dim(setup.batch_first ? 0 : 1),
                    .inputs = x.dim(2),
                    .hidden = c.input(2).dim(2)};
  checked_mul(checked_mul(sizes.batch, sizes.hidden, "state"), form.gates * 8, "state");
  const std::vector<int64_t> lengths = sequence_lengths(c, sizes);
  for (int index = 0; index < setup.directions; ++index)
    run_direction(c, setup, sizes, index, direction_of(c, form, setup, sizes, index), form, lengths,
                  step);
}

}  // namespace planish
