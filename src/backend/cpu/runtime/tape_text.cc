// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/runtime/tape_text.h"

#include <bit>

#include "base/str.h"
#include "planish/error.h"

namespace planish::cpu {
namespace {

constexpr size_t kInputFields = 2;        // dtype, domain
constexpr size_t kConstantFields = 2;     // domain, bits
constexpr size_t kInstructionFields = 5;  // domain, a, b, c, wrap
constexpr size_t kOutputFields = 2;       // value, dtype

struct Extra {
  std::string_view name;
  int op;
};
constexpr Extra kExtras[] = {{"planish.Copy", kTapeCopy},
                             {"planish.ToI64", kTapeToI64},
                             {"planish.ToF32", kTapeToF32},
                             {"planish.ToTruth", kTapeToTruth}};

std::string op_name(int op) {
  for (const Extra& extra : kExtras)
    if (extra.op == op) return std::string(extra.name);
  return std::string(pointwise_row(op).name);
}

int op_number(std::string_view name) {
  for (const Extra& extra : kExtras)
    if (extra.name == name) return extra.op;
  const int row = find_pointwise_row(name);
  if (row < 0)
    throw Error(ErrorCode::kInvalidPlan,
                concat("a pointwise step uses the unknown operation ", name));
  return row;
}

void check(bool condition) {
  if (!condition)
    throw Error(ErrorCode::kInvalidPlan, "a pointwise step holds no well-formed tape");
}

DType data_type(int64_t number) {
  check(number == 0 ||
        (number > 0 && is_valid_dtype(static_cast<int>(number & 0xff)) && number < 256));
  return static_cast<DType>(number);
}

TapeDomain domain(int64_t number) {
  check(number == 0 || number == 1);
  return static_cast<TapeDomain>(number);
}

int32_t index(int64_t number) {
  check(number >= 0 && number <= INT32_MAX);
  return static_cast<int32_t>(number);
}

}  // namespace

void write_tape(const PointwiseTape& tape, Attributes& attributes) {
  std::vector<int64_t> inputs, constants, arguments, outputs;
  std::vector<std::string> ops;
  std::vector<double> numbers;
  for (const TapeInput& in : tape.inputs) {
    inputs.push_back(static_cast<int64_t>(in.dtype));
    inputs.push_back(static_cast<int64_t>(in.domain));
  }
  for (const TapeConstant& c : tape.constants) {
    constants.push_back(static_cast<int64_t>(c.domain));
    constants.push_back(c.domain == TapeDomain::kF32
                            ? static_cast<int64_t>(std::bit_cast<uint32_t>(c.f32))
                            : c.i64);
  }
  for (const TapeInstruction& i : tape.instructions) {
    ops.push_back(op_name(i.op));
    for (int64_t v :
         {static_cast<int64_t>(i.domain), static_cast<int64_t>(i.a), static_cast<int64_t>(i.b),
          static_cast<int64_t>(i.c), static_cast<int64_t>(i.wrap)})
      arguments.push_back(v);
    for (float v : i.attributes) numbers.push_back(static_cast<double>(v));
  }
  for (const TapeOutput& out : tape.outputs) {
    outputs.push_back(out.value);
    outputs.push_back(static_cast<int64_t>(out.dtype));
  }
  attributes.set("tape_inputs", inputs);
  attributes.set("tape_constants", constants);
  attributes.set("tape_ops", ops);
  attributes.set("tape_arguments", arguments);
  attributes.set("tape_numbers", numbers);
  attributes.set("tape_outputs", outputs);
}

PointwiseTape read_tape(const Attributes& attributes) {
  PointwiseTape tape;
  const auto& inputs = attributes.integers("tape_inputs");
  const auto& constants = attributes.integers("tape_constants");
  const auto& ops = attributes.texts("tape_ops");
  const auto& arguments = attributes.integers("tape_arguments");
  const auto& numbers = attributes.reals("tape_numbers");
  const auto& outputs = attributes.integers("tape_outputs");
  check(inputs.size() % kInputFields == 0 && constants.size() % kConstantFields == 0 &&
        outputs.size() % kOutputFields == 0 &&
        arguments.size() == ops.size() * kInstructionFields &&
        numbers.size() == ops.size() * kMaxPointwiseAttributes);
  for (size_t i = 0; i < inputs.size(); i += kInputFields)
    tape.inputs.push_back({data_type(inputs[i]), domain(inputs[i + 1])});
  for (size_t i = 0; i < constants.size(); i += kConstantFields) {
    TapeConstant c{.domain = domain(constants[i])};
    if (c.domain == TapeDomain::kF32)
      c.f32 = std::bit_cast<float>(static_cast<uint32_t>(constants[i + 1]));
    else
      c.i64 = constants[i + 1];
    tape.constants.push_back(c);
  }
  for (size_t i = 0; i < ops.size(); ++i) {
    const int64_t* a = &arguments[i * kInstructionFields];
    TapeInstruction instruction{.op = op_number(ops[i]),
                                .domain = domain(a[0]),
                                .a = index(a[1]),
                                .b = index(a[2]),
                                .c = index(a[3]),
                                .wrap = data_type(a[4])};
    for (size_t k = 0; k < kMaxPointwiseAttributes; ++k)
      instruction.attributes[k] = static_cast<float>(numbers[i * kMaxPointwiseAttributes + k]);
    tape.instructions.push_back(instruction);
  }
  for (size_t i = 0; i < outputs.size(); i += kOutputFields)
    tape.outputs.push_back({index(outputs[i]), data_type(outputs[i + 1])});
  return tape;
}

}  // namespace planish::cpu
