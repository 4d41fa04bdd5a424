// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/runtime/step_epilogue.h"

#include <algorithm>
#include <array>

#include "backend/cpu/runtime/step_isa.h"
#include "backend/cpu/runtime/tape_text.h"
#include "base/str.h"

namespace planish::cpu {
namespace {

constexpr std::array<std::string_view, 11> kActivations = {
    "none",     "clip",      "leaky_relu",   "sigmoid",    "silu", "tanh",
    "gelu_erf", "gelu_tanh", "hard_sigmoid", "hard_swish", "elu"};

}  // namespace

std::string_view activation_name(Activation activation) {
  return kActivations[static_cast<size_t>(activation)];
}

StepEpilogue::StepEpilogue(const StepInfo& info) {
  const Attributes& a = info.attributes();
  auto position = [&](int64_t i, const char* what) {
    info.require(
        i >= -1 && i < info.input_count() && (i < 0 || info.has_input(static_cast<int>(i))),
        concat(what, " is not an input"));
    return static_cast<int>(i);
  };
  bias_ = position(a.integer("bias", -1), "the bias");
  residual_ = position(a.integer("residual", -1), "the residual");
  fixed_.residual_last = a.integer("residual_last", 0) != 0;
  const std::string name = a.text("activation", "none");
  const auto* found = std::find(kActivations.begin(), kActivations.end(), name);
  info.require(found != kActivations.end(), concat("there is no activation ", name));
  fixed_.activation = static_cast<Activation>(found - kActivations.begin());
  fixed_.p = static_cast<float>(a.real("p", 0));
  fixed_.q = static_cast<float>(a.real("q", 0));
  if (!a.has("tape_ops")) return;
  program_.emplace(read_tape(a), step_isa(info));
  for (int64_t i : a.integers("tail", {})) {
    info.require(i >= 0, "an operand of the tail is absent");
    tail_.push_back(position(i, "an operand of the tail"));
  }
  info.require(program_->inputs() == static_cast<int>(tail_.size()) + 1 &&
                   program_->outputs() == 1 && program_->output_bytes(0) == 4 &&
                   program_->input_bytes(0) == 4,
               "the tape does not fit the tail");
}

std::unique_ptr<StepEpilogue::Bound> StepEpilogue::bind(const StepShapes& shapes) const {
  auto bound = std::make_unique<Bound>();
  const KnownTensor& out = shapes.output(0);
  shapes.require(out.rank() >= 1, "expected an output of rank 1 or more");
  const int64_t cols = out.dims.back();
  const int64_t rows = cols == 0 ? 0 : out.count() / cols;
  bound->cols_ = cols;
  bound->rows_per_batch_ = rows;
  if (bias_ >= 0)
    shapes.require(shapes.input(bias_).dtype == DType::kF32 && shapes.input(bias_).count() == cols,
                   "the bias does not fit the columns");
  // The sums are floats until the end, whatever the output is quantised to.
  if (residual_ >= 0)
    shapes.require(
        shapes.input(residual_).dtype == DType::kF32 && shapes.input(residual_).same_dims(out),
        "the residual does not fit the output");
  if (!program_) return bound;
  bound->program_ = &*program_;
  for (size_t k = 0; k < tail_.size(); ++k) {
    const KnownTensor& in = shapes.input(tail_[k]);
    const int64_t size = program_->input_bytes(static_cast<int>(k) + 1);
    shapes.require(in.present() && dtype_bits(in.dtype) == size * 8,
                   "an operand of the tail has another type");
    const int rank = out.rank();
    shapes.require(in.rank() <= rank, "an operand of the tail has more dims than the output");
    std::vector<int64_t> dims(static_cast<size_t>(rank - in.rank()), 1);
    dims.insert(dims.end(), in.dims.begin(), in.dims.end());
    bool leading_ones = true, leading_same = true;
    for (int i = 0; i < rank; ++i) {
      const int64_t d = dims[static_cast<size_t>(i)], o = out.dims[static_cast<size_t>(i)];
      shapes.require(d == 1 || d == o, "an operand of the tail does not broadcast to the output");
      if (i + 1 == rank) break;
      leading_ones &= d == 1;
      leading_same &= d == o;
    }
    Bound::Operand operand;
    const int64_t width = dims.back();
    operand.col_stride = width == 1 && cols != 1 ? 0 : 1;
    if (leading_same) {
      operand.row_stride = width * size;
    } else if (!leading_ones) {
      bound->by_row_ = true;
      operand.row_bytes.reserve(static_cast<size_t>(rows));
      std::vector<int64_t> strides(static_cast<size_t>(rank), 0), at(static_cast<size_t>(rank), 0);
      int64_t stride = width;
      for (int i = rank - 2; i >= 0; --i) {
        const auto u = static_cast<size_t>(i);
        strides[u] = dims[u] == 1 ? 0 : stride;
        stride *= dims[u];
      }
      int64_t offset = 0;
      for (int64_t row = 0; row < rows; ++row) {
        operand.row_bytes.push_back(offset * size);
        for (int i = rank - 2; i >= 0; --i) {
          const auto u = static_cast<size_t>(i);
          offset += strides[u];
          if (++at[u] < out.dims[u]) break;
          at[u] = 0;
          offset -= strides[u] * out.dims[u];
        }
      }
    }
    bound->operands_.push_back(std::move(operand));
  }
  return bound;
}

Epilogue StepEpilogue::at(const StepContext& context, Bound& bound) const {
  Epilogue e = fixed_;
  if (bias_ >= 0) e.bias = context.input(bias_).as<float>();
  if (residual_ >= 0) {
    e.residual = context.input(residual_).as<float>();
    e.residual_row = bound.cols_;
  }
  if (bound.program_ != nullptr) {
    for (size_t k = 0; k < tail_.size(); ++k)
      bound.operands_[k].data = context.input(tail_[k]).data();
    e.tail = &Bound::run_tail;
    e.tail_state = &bound;
  }
  return e;
}

void StepEpilogue::Bound::run_tail(const void* state, float* c, int64_t c_row, int64_t batch,
                                   int64_t row0, int64_t rows, int64_t col0, int64_t cols) {
  const auto& bound = *static_cast<const Bound*>(state);
  const int64_t first = batch * bound.rows_per_batch_ + row0;
  const int64_t apart = bound.spread_ ? c_row / bound.cols_ : 1;
  if (!bound.by_row_ && apart == 1) return bound.run_rows(c, c_row, first, rows, col0, cols);
  for (int64_t i = 0; i < rows; ++i)
    bound.run_rows(c + i * c_row, c_row, first + i * apart, 1, col0, cols);
}

void StepEpilogue::Bound::run_rows(float* c, int64_t c_row, int64_t row0, int64_t rows,
                                   int64_t col0, int64_t cols) const {
  std::array<TileView, kMaxTapeInputs> views;
  views[0] = {c, c_row, 1};
  for (size_t k = 0; k < operands_.size(); ++k) {
    const Operand& o = operands_[k];
    const int64_t size = program_->input_bytes(static_cast<int>(k) + 1);
    const int64_t row =
        o.row_bytes.empty() ? row0 * o.row_stride : o.row_bytes[static_cast<size_t>(row0)];
    views[k + 1] = {const_cast<std::byte*>(o.data) + row + col0 * o.col_stride * size,
                    o.row_stride / size, o.col_stride};
  }
  const TileView out{c, c_row, 1};
  run_pointwise_tile(*program_, std::span(views.data(), operands_.size() + 1), std::span(&out, 1),
                     rows, cols);
}

}  // namespace planish::cpu
