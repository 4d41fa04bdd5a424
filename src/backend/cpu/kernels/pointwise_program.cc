// SPDX-License-Identifier: Apache-2.0
// Checking a tape and placing its values.
#include <algorithm>
#include <string>

#include "backend/cpu/kernels/pointwise.h"
#include "planish/error.h"

namespace planish::cpu {

namespace {

[[noreturn]] void refuse(const std::string& what, ErrorCode code = ErrorCode::kInvalidPlan) {
  throw Error(code, "pointwise tape: " + what);
}

void require(bool condition, const std::string& what) {
  if (!condition) refuse(what);
}

int arity_of(int op) { return op < kPointwiseRowCount ? pointwise_row(op).arity() : 1; }

int cost_of(int op) { return op < kPointwiseRowCount ? pointwise_row(op).cost : 1; }

TapeDomain result_domain(const TapeInstruction& instruction) {
  if (instruction.op == kTapeToI64) return TapeDomain::kI64;
  if (instruction.op == kTapeToF32) return TapeDomain::kF32;
  return instruction.domain;
}

const char* domain_name(TapeDomain domain) { return domain == TapeDomain::kF32 ? "f32" : "i64"; }

bool is_dtype(DType type) { return static_cast<int>(type) < kDTypeCount; }

int operand(const TapeInstruction& instruction, int i) {
  return i == 0 ? instruction.a : i == 1 ? instruction.b : instruction.c;
}

void check_sizes(const PointwiseTape& tape) {
  require(tape.inputs.size() <= kMaxTapeInputs, "more than 16 inputs");
  require(!tape.outputs.empty() && tape.outputs.size() <= kMaxTapeOutputs,
          "expected 1 to 8 outputs, got " + std::to_string(tape.outputs.size()));
  require(tape.constants.size() <= kMaxTapeConstants, "more than 64 constants");
  require(tape.instructions.size() <= kMaxTapeInstructions, "more than 256 instructions");
}

std::vector<TapeDomain> value_domains(const PointwiseTape& tape) {
  std::vector<TapeDomain> domains;
  for (const TapeInput& input : tape.inputs) domains.push_back(input.domain);
  for (const TapeConstant& constant : tape.constants) domains.push_back(constant.domain);
  for (const TapeInstruction& step : tape.instructions) domains.push_back(result_domain(step));
  for (TapeDomain domain : domains) {
    require(domain == TapeDomain::kF32 || domain == TapeDomain::kI64, "an unknown domain");
  }
  return domains;
}

// Outputs that are inputs or constants, or that are wanted twice, are copied into a value of their
// own, so that every output is the result of one instruction.
PointwiseTape with_own_outputs(PointwiseTape tape) {
  const auto first = static_cast<int32_t>(tape.inputs.size() + tape.constants.size());
  std::vector<TapeDomain> domains = value_domains(tape);
  std::vector<int32_t> taken;
  for (TapeOutput& output : tape.outputs) {
    if (output.value < first || std::count(taken.begin(), taken.end(), output.value) != 0) {
      const TapeDomain domain = domains[output.value];
      tape.instructions.push_back({.op = kTapeCopy, .domain = domain, .a = output.value});
      output.value = static_cast<int32_t>(domains.size());
      domains.push_back(domain);
    }
    taken.push_back(output.value);
  }
  return tape;
}

}  // namespace

PointwiseProgram::PointwiseProgram(const PointwiseTape& tape, Isa isa)
    : isa_(isa), table_(&pointwise_table(isa)) {
  check(tape);
  place(with_own_outputs(tape));
}

void PointwiseProgram::check(const PointwiseTape& tape) const {
  check_sizes(tape);
  const std::vector<TapeDomain> domains = value_domains(tape);
  for (const TapeInput& input : tape.inputs) {
    require(is_dtype(input.dtype), "an unknown input type");
  }
  const size_t first = tape.inputs.size() + tape.constants.size();
  for (size_t i = 0; i < tape.instructions.size(); ++i) {
    const TapeInstruction& step = tape.instructions[i];
    const std::string name = "instruction " + std::to_string(i);
    require(step.op >= 0 && step.op < kTapeOpCount, name + ": no such operation");
    const auto& loops = step.domain == TapeDomain::kF32 ? table_->f32 : table_->i64;
    require(loops[step.op] != nullptr,
            name + ": the operation does not exist for " + domain_name(step.domain));
    for (int j = 0; j < arity_of(step.op); ++j) {
      const int32_t value = operand(step, j);
      require(value >= 0 && static_cast<size_t>(value) < first + i,
              name + ": reads a value before it is made");
      require(domains[value] == step.domain,
              name + ": an operand is not " + std::string(domain_name(step.domain)));
    }
    if (step.wrap != DType::kUndefined) {
      require(is_dtype(step.wrap) && table_->wrap[static_cast<int>(step.wrap)] != nullptr &&
                  result_domain(step) == TapeDomain::kI64,
              name + ": only i64 values wrap, to an integer type");
    }
  }
  for (const TapeOutput& output : tape.outputs) {
    require(output.value >= 0 && static_cast<size_t>(output.value) < domains.size(),
            "an output is no value");
    require(is_dtype(output.dtype), "an unknown output type");
  }
}

int16_t PointwiseProgram::take_register(std::vector<int16_t>* free) {
  if (!free->empty()) {
    const int16_t index = free->back();
    free->pop_back();
    return index;
  }
  if (registers_ == kMaxTapeRegisters) {
    refuse("more than 24 values live at once", ErrorCode::kUnsupported);
  }
  return static_cast<int16_t>(inputs_.size() + constants_.size() + registers_++);
}

void PointwiseProgram::place(const PointwiseTape& tape) {
  const auto conversion = [](auto function, DType type, const char* direction) {
    if (function == nullptr) {
      refuse(std::string("no conversion ") + direction + " " + std::string(dtype_name(type)),
             ErrorCode::kUnsupported);
    }
    return function;
  };
  const std::vector<TapeDomain> domains = value_domains(tape);
  for (const TapeInput& input : tape.inputs) {
    const bool narrow = input.domain == TapeDomain::kF32;
    const auto& loads = narrow ? table_->load_f32 : table_->load_i64;
    inputs_.push_back({conversion(loads[static_cast<int>(input.dtype)], input.dtype, "from"),
                       static_cast<int8_t>(dtype_bits(input.dtype) / 8), narrow,
                       input.dtype == (narrow ? DType::kF32 : DType::kI64)});
    wide_ |= !narrow;
  }
  for (const TapeConstant& constant : tape.constants) {
    Repeated& repeated = constants_.emplace_back();
    std::fill_n(repeated.f32, kRepeat, constant.f32);
    repeated.i64 = constant.i64;
    repeated.narrow = constant.domain == TapeDomain::kF32;
  }

  const auto first = static_cast<int32_t>(inputs_.size() + constants_.size());
  const auto count = static_cast<int32_t>(tape.instructions.size());
  std::vector<int32_t> last_use(domains.size(), -1);
  for (int32_t i = 0; i < count; ++i) {
    for (int j = 0; j < arity_of(tape.instructions[i].op); ++j) {
      last_use[operand(tape.instructions[i], j)] = i;
    }
  }
  for (const TapeOutput& output : tape.outputs) last_use[output.value] = count;

  std::vector<int16_t> where(domains.size());
  for (int32_t value = 0; value < first; ++value) where[value] = static_cast<int16_t>(value);
  std::vector<int16_t> free;
  for (int32_t i = 0; i < count; ++i) {
    const TapeInstruction& from = tape.instructions[i];
    const bool narrow = from.domain == TapeDomain::kF32;
    Step step{};
    step.loop = (narrow ? table_->f32 : table_->i64)[from.op];
    step.arity = static_cast<int8_t>(arity_of(from.op));
    step.narrow_dst = result_domain(from) == TapeDomain::kF32;
    step.wrap =
        from.wrap == DType::kUndefined ? nullptr : table_->wrap[static_cast<int>(from.wrap)];
    std::copy(std::begin(from.attributes), std::end(from.attributes), step.attributes);
    wide_ |= !narrow || !step.narrow_dst;
    // A result may take the register of an operand that dies here, since loops read before they
    // write; not where the widths of their elements differ.
    const bool may_replace = result_domain(from) == from.domain;
    if (!may_replace) step.dst = take_register(&free);
    for (int j = 0; j < step.arity; ++j) {
      const int32_t value = operand(from, j);
      step.src[j] = where[value];
      if (value >= first && last_use[value] == i) {
        free.push_back(where[value]);
        last_use[value] = -1;
      }
    }
    if (may_replace) step.dst = take_register(&free);
    where[first + i] = step.dst;
    // A result that nobody reads gives its register back at once.
    if (last_use[first + i] < 0) free.push_back(step.dst);
    cost_ += cost_of(from.op) + step.arity + 1;
    steps_.push_back(step);
  }
  for (const TapeOutput& output : tape.outputs) {
    const bool narrow = domains[output.value] == TapeDomain::kF32;
    const auto& stores = narrow ? table_->store_f32 : table_->store_i64;
    outputs_.push_back({conversion(stores[static_cast<int>(output.dtype)], output.dtype, "to"),
                        where[output.value], static_cast<int8_t>(dtype_bits(output.dtype) / 8),
                        narrow,
                        output.value == first + count - 1 &&
                            output.dtype == (narrow ? DType::kF32 : DType::kI64)});
  }
}

}  // namespace planish::cpu
