// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/tape_rules.h"

#include <numeric>
#include <vector>

#include "ops/pointwise_rows.h"

namespace planish::cpu {
namespace {

int arity_of(const TapeInstruction& i) {
  return i.op < kPointwiseRowCount ? pointwise_row(i.op).arity() : 1;
}

int32_t* operand(TapeInstruction& i, int k) { return k == 0 ? &i.a : k == 1 ? &i.b : &i.c; }

bool is_short(DType type, int bits) {
  return (is_integer(type) || type == DType::kBool) && dtype_bits(type) >= 8 &&
         dtype_bits(type) <= bits;
}

class Rules {
 public:
  explicit Rules(PointwiseTape tape)
      : tape_(std::move(tape)),
        inputs_(static_cast<int32_t>(tape_.inputs.size())),
        first_(inputs_ + static_cast<int32_t>(tape_.constants.size())) {}

  PointwiseTape run() {
    read_as_floats();
    skip_conversions();
    store_floats();
    drop_unread();
    return std::move(tape_);
  }

 private:
  // What makes a value; null for inputs and constants.
  const TapeInstruction* maker(int32_t value) const {
    return value < first_ ? nullptr : &tape_.instructions[static_cast<size_t>(value - first_)];
  }

  bool is_float_truth(int32_t value) const {
    const TapeInstruction* made = maker(value);
    if (made == nullptr || made->domain != TapeDomain::kF32) return false;
    return made->op == kTapeToTruth || (made->op < kPointwiseRowCount &&
                                        pointwise_row(made->op).result == PointwiseResult::kTruth);
  }

  void read_as_floats() {
    for (const TapeInput& in : tape_.inputs)
      floats_.push_back(in.domain == TapeDomain::kI64 && is_short(in.dtype, 16));
    for (TapeInstruction& i : tape_.instructions)
      for (int k = 0; k < arity_of(i); ++k)
        if (const int32_t v = *operand(i, k); v < inputs_ && i.op != kTapeToF32)
          floats_[static_cast<size_t>(v)] = false;
    for (const TapeOutput& out : tape_.outputs)
      if (out.value < inputs_) floats_[static_cast<size_t>(out.value)] = false;
    for (size_t i = 0; i < floats_.size(); ++i)
      if (floats_[i]) tape_.inputs[i].domain = TapeDomain::kF32;
  }

  void skip_conversions() {
    std::vector<int32_t> same(static_cast<size_t>(first_) + tape_.instructions.size());
    std::iota(same.begin(), same.end(), 0);
    int32_t value = first_;
    for (TapeInstruction& i : tape_.instructions) {
      for (int k = 0; k < arity_of(i); ++k)
        *operand(i, k) = same[static_cast<size_t>(*operand(i, k))];
      if (i.op == kTapeToF32) same[static_cast<size_t>(value)] = float_of(i.a, value);
      ++value;
    }
    for (TapeOutput& out : tape_.outputs) out.value = same[static_cast<size_t>(out.value)];
  }

  // The float that an integer was made of, or is read as; else `converted`.
  int32_t float_of(int32_t integer, int32_t converted) const {
    if (integer < inputs_) return floats_[static_cast<size_t>(integer)] ? integer : converted;
    const TapeInstruction* made = maker(integer);
    const bool is_trip = made != nullptr && made->op == kTapeToI64 &&
                         made->wrap == DType::kUndefined && is_float_truth(made->a);
    return is_trip ? made->a : converted;
  }

  // Stores cut as the conversion does.
  void store_floats() {
    for (TapeOutput& out : tape_.outputs) {
      const TapeInstruction* made = maker(out.value);
      if (made == nullptr || made->op != kTapeToI64 || !is_short(out.dtype, 32)) continue;
      if (made->wrap != DType::kUndefined && made->wrap != out.dtype) continue;
      if (out.dtype == DType::kBool && !is_float_truth(made->a)) continue;
      out.value = made->a;
    }
  }

  void drop_unread() {
    const size_t count = tape_.instructions.size(), first = static_cast<size_t>(first_);
    std::vector<bool> read(first + count, false);
    for (const TapeOutput& out : tape_.outputs) read[static_cast<size_t>(out.value)] = true;
    for (size_t n = count; n-- > 0;)
      for (int k = 0; k < arity_of(tape_.instructions[n]) && read[first + n]; ++k)
        read[static_cast<size_t>(*operand(tape_.instructions[n], k))] = true;
    std::vector<int32_t> number(first + count);
    std::iota(number.begin(), number.end(), 0);
    std::vector<TapeInstruction> kept;
    for (size_t n = 0; n < count; ++n) {
      number[first + n] = first_ + static_cast<int32_t>(kept.size());
      if (!read[first + n]) continue;
      TapeInstruction& i = kept.emplace_back(tape_.instructions[n]);
      for (int k = 0; k < 3; ++k)
        *operand(i, k) = k < arity_of(i) ? number[static_cast<size_t>(*operand(i, k))] : 0;
    }
    for (TapeOutput& out : tape_.outputs) out.value = number[static_cast<size_t>(out.value)];
    tape_.instructions = std::move(kept);
  }

  PointwiseTape tape_;
  int32_t inputs_, first_;
  std::vector<bool> floats_;  // inputs that are read as floats instead of integers
};

}  // namespace

PointwiseTape without_round_trips(PointwiseTape tape) { return Rules(std::move(tape)).run(); }

}  // namespace planish::cpu
