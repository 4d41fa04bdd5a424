// SPDX-License-Identifier: Apache-2.0
// Einsum: sums of products over labelled axes, "bij,bjk->bik".
#include <algorithm>
#include <map>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

// Labels are characters; the axes of an ellipsis, counted from its last one, are numbers from here.
constexpr int kEllipsis = 256;

// One term as written: labels, with kEllipsis where "..." stands.
using Term = std::vector<int>;

struct Equation {
  std::vector<Term> inputs;
  Term output;
  bool is_explicit = false;
};

bool is_letter(char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z'); }

template <class Context>
Term parse_term(const Context& c, std::string_view text) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text.substr(i, 3) == "...") {
      if (std::count(term.begin(), term.end(), kEllipsis) != 0)
        c.fail(concat("equation: a term has two ellipses: \"", text, "\""),
               ErrorCode::kInvalidModel);
      term.push_back(kEllipsis);
      i += 2;
    } else if (is_letter(text[i])) {
      term.push_back(text[i]);
    } else {
      c.fail(concat("equation: unexpected \"", text[i], "\" in \"", text, "\""),
             ErrorCode::kInvalidModel);
    }
  }
  return term;
}

// The output where the equation names none: the ellipsis, then the labels that occur once.
Term implicit_output(const Equation& e) {
  std::map<int, int> times;
  for (const Term& term : e.inputs)
    for (int label : term) ++times[label];
  Term out;
  if (times.count(kEllipsis) != 0) out.push_back(kEllipsis);
  for (const auto& [label, count] : times)
    if (count == 1 && label != kEllipsis) out.push_back(label);
  return out;
}

template <class Context>
Equation parse_equation(const Context& c) {
  const std::string& text = c.attributes().text("equation");
  Equation e;
  const size_t arrow = text.find("->");
  std::string_view left(text.data(), std::min(arrow, text.size()));
  for (size_t at = 0;;) {
    const size_t comma = left.find(',', at);
    e.inputs.push_back(parse_term(c, left.substr(at, comma - at)));
    if (comma == std::string_view::npos) break;
    at = comma + 1;
  }
  if (static_cast<int>(e.inputs.size()) != c.input_count())
    c.fail(concat("equation \"", text, "\" has ", e.inputs.size(), " terms for ", c.input_count(),
                  " inputs"),
           ErrorCode::kInvalidModel);
  e.is_explicit = arrow != std::string::npos;
  if (!e.is_explicit) {
    e.output = implicit_output(e);
    return e;
  }
  e.output = parse_term(c, std::string_view(text).substr(arrow + 2));
  for (size_t i = 0; i < e.output.size(); ++i) {
    const int label = e.output[i];
    const bool known =
        label == kEllipsis || std::any_of(e.inputs.begin(), e.inputs.end(), [&](const Term& t) {
          return std::count(t.begin(), t.end(), label) != 0;
        });
    if (!known || std::count(e.output.begin(), e.output.end(), label) != 1)
      c.fail(concat("equation \"", text,
                    "\": the output's labels must be different ones of the inputs"),
             ErrorCode::kInvalidModel);
  }
  return e;
}

// The term for a tensor of `rank`, its ellipsis spelt out as labels kEllipsis + n-1 ... kEllipsis.
template <class Context>
Term spelt_out(const Context& c, const Term& term, int rank, int input) {
  const bool has_ellipsis = std::count(term.begin(), term.end(), kEllipsis) != 0;
  const int named = static_cast<int>(term.size()) - (has_ellipsis ? 1 : 0);
  if (rank < named || (!has_ellipsis && rank != named))
    c.fail(concat("input ", input, " has rank ", rank, ", its term names ", named, " axes"),
           ErrorCode::kInvalidShape);
  Term out;
  for (int label : term) {
    if (label != kEllipsis) {
      out.push_back(label);
    } else {
      for (int k = rank - named; k-- > 0;) out.push_back(kEllipsis + k);
    }
  }
  return out;
}

// The output's term with an ellipsis of `width` axes spelt out.
Term output_term(const Equation& e, int width) {
  Term out;
  for (int label : e.output) {
    if (label != kEllipsis) {
      out.push_back(label);
    } else {
      for (int k = width; k-- > 0;) out.push_back(kEllipsis + k);
    }
  }
  return out;
}

int ellipsis_width(const std::vector<Term>& terms) {
  int width = 0;
  for (const Term& term : terms)
    for (int label : term) width = std::max(width, label - kEllipsis + 1);
  return width;
}

void infer_einsum(InferContext& c) {
  const DType dtype = check_same_dtype(c, 0, c.input_count());
  if (dtype == DType::kString || dtype == DType::kBool || is_complex(dtype))
    c.fail(concat("input 0: expected numbers, got ", dtype_name(dtype)), ErrorCode::kInvalidType);
  const Equation e = parse_equation(c);
  for (int i = 0; i < c.input_count(); ++i)
    if (!c.has_rank(i)) return set_tensor(c, 0, dtype, std::nullopt);
  std::map<int, Dim> sizes;
  std::vector<Term> terms;
  for (int i = 0; i < c.input_count(); ++i) {
    terms.push_back(spelt_out(c, e.inputs[static_cast<size_t>(i)], c.rank(i), i));
    for (size_t k = 0; k < terms.back().size(); ++k) {
      const auto [it, is_new] = sizes.try_emplace(terms.back()[k], c.shape(i)[k]);
      if (!is_new) it->second = broadcast_dim(c, it->second, c.shape(i)[k]);
    }
  }
  Shape out;
  for (int label : output_term(e, ellipsis_width(terms))) out.push_back(sizes.at(label));
  set_tensor(c, 0, dtype, std::move(out));
}

// Labels of the output, then those that are summed over, with their sizes.
struct EinsumPlan {
  Dims kept, summed;
  std::vector<View> kept_views, summed_views;  // of each input
};

EinsumPlan plan_einsum(const KernelContext& c, const Equation& e) {
  std::vector<Term> terms;
  std::map<int, int64_t> sizes;
  for (int i = 0; i < c.input_count(); ++i) {
    terms.push_back(spelt_out(c, e.inputs[static_cast<size_t>(i)], c.input(i).rank(), i));
    for (size_t k = 0; k < terms.back().size(); ++k) {
      int64_t& size = sizes.try_emplace(terms.back()[k], 1).first->second;
      if (size == 1) size = c.input(i).dims()[k];
    }
  }
  const Term kept = output_term(e, ellipsis_width(terms));
  Term summed;
  for (const auto& [label, size] : sizes)
    if (std::count(kept.begin(), kept.end(), label) == 0) summed.push_back(label);
  EinsumPlan plan;
  for (int label : kept) plan.kept.push_back(sizes.at(label));
  for (int label : summed) plan.summed.push_back(sizes.at(label));
  for (int i = 0; i < c.input_count(); ++i) {
    const Dims strides = row_major_strides(c.input(i).dims());
    const Term& term = terms[static_cast<size_t>(i)];
    // An axis of 1 under a larger label is broadcast; a label that repeats walks the diagonal.
    auto stride_of = [&](int label) {
      int64_t stride = 0;
      for (size_t k = 0; k < term.size(); ++k)
        if (term[k] == label && c.input(i).dims()[k] != 1) stride += strides[k];
      return stride;
    };
    View kept_view, summed_view;
    for (int label : kept) kept_view.strides.push_back(stride_of(label));
    for (int label : summed) summed_view.strides.push_back(stride_of(label));
    plan.kept_views.push_back(kept_view);
    plan.summed_views.push_back(summed_view);
  }
  return plan;
}

template <class T>
T einsum_product(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}

template <class T>
T einsum_sum(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}

template <class T>
void sum_products(KernelContext& c, const EinsumPlan& plan) {
  std::vector<std::vector<T>> inputs;
  for (int i = 0; i < c.input_count(); ++i) inputs.push_back(load<T>(c.input(i)));
  std::vector<T> out;
  out.reserve(static_cast<size_t>(c.output(0).count()));
  for (Walk kept(plan.kept, plan.kept_views); !kept.done(); kept.next()) {
    std::vector<View> views = plan.summed_views;
    for (size_t i = 0; i < views.size(); ++i) views[i].offset = kept[i];
    T total{};
    for (Walk summed(plan.summed, std::move(views)); !summed.done(); summed.next()) {
      T term = inputs[0][static_cast<size_t>(summed[0])];
      for (size_t i = 1; i < inputs.size(); ++i)
        term = einsum_product(term, inputs[i][static_cast<size_t>(summed[i])]);
      total = einsum_sum(total, term);
    }
    out.push_back(total);
  }
  store(c.output(0), out);
}

void run_einsum(KernelContext& c) {
  const EinsumPlan plan = plan_einsum(c, parse_equation(c));
  require_dims(c, c.output(0), plan.kept);
  with_real_type(c.input(0).dtype(), [&]<class T>(T) { sum_products<T>(c, plan); });
}

const RegisterOp kEinsum({.name = "Einsum",
                          .attributes = {required("equation", AttrKind::kString)},
                          .inputs = {1, kAnyNumber},
                          .infer = infer_einsum,
                          .run = run_einsum,
                          .tolerance = {1e-5},
                          .source = "https://onnx.ai/onnx/operators/onnx__Einsum.html"});

}  // namespace
}  // namespace planish
