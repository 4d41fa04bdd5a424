// SPDX-License-Identifier: Apache-2.0
// SequenceAt, SequenceConstruct, SequenceEmpty, SequenceErase, SequenceInsert, SequenceLength.
//
// Items of a sequence own their memory: a tensor is copied when it enters one.
#include "ops/sequence.h"

namespace planish {
namespace {

void infer_sequence_at(InferContext& c) {
  const Type item = check_sequence(c, 0);
  check_position(c, 1);
  c.set_output(0, item);
}

void run_sequence_at(KernelContext& c) {
  const Sequence& items = c.datum(0).items();
  const auto size = static_cast<int64_t>(items.size()), at = position_input(c, 1);
  if (at < -size || at >= size)
    c.fail(concat("position ", at, " is outside of a sequence of ", size));
  c.set_output(0, items[static_cast<size_t>(at < 0 ? at + size : at)]);
}

void infer_sequence_construct(InferContext& c) {
  Type item;
  for (int i = 0; i < c.input_count(); ++i) {
    check_tensor(c, i);
    item = common_item(c, item, c.input(i));
  }
  c.set_output(0, Type::sequence(std::move(item)));
}

void run_sequence_construct(KernelContext& c) {
  Sequence items;
  for (int i = 0; i < c.input_count(); ++i) items.emplace_back(c.input(i).clone());
  c.set_output(0, Datum::sequence(std::move(items)));
}

void infer_sequence_empty(InferContext& c) {
  c.set_output(0, Type::sequence(Type::tensor(dtype_attribute(c, "dtype", DType::kF32))));
}

void run_sequence_empty(KernelContext& c) { c.set_output(0, Datum::sequence({})); }

void infer_sequence_erase(InferContext& c) {
  check_sequence(c, 0);
  if (c.has_input(1)) check_position(c, 1);
  set_like(c, 0, 0);
}

void run_sequence_erase(KernelContext& c) {
  Sequence items = c.datum(0).items();
  const auto size = static_cast<int64_t>(items.size());
  const int64_t at = c.has_input(1) ? position_input(c, 1) : -1;
  if (at < -size || at >= size)
    c.fail(concat("position ", at, " is outside of a sequence of ", size));
  items.erase(items.begin() + (at < 0 ? at + size : at));
  c.set_output(0, Datum::sequence(std::move(items)));
}

void infer_sequence_insert(InferContext& c) {
  const Type item = check_sequence(c, 0);
  check_tensor(c, 1);
  if (c.has_input(2)) check_position(c, 2);
  c.set_output(0, Type::sequence(common_item(c, item, c.input(1))));
}

void run_sequence_insert(KernelContext& c) {
  Sequence items = c.datum(0).items();
  const auto size = static_cast<int64_t>(items.size());
  const int64_t at = c.has_input(2) ? position_input(c, 2) : size;
  if (at < -size || at > size)
    c.fail(concat("position ", at, " is outside of a sequence of ", size));
  items.insert(items.begin() + (at < 0 ? at + size : at), Datum(c.input(1).clone()));
  c.set_output(0, Datum::sequence(std::move(items)));
}

void infer_sequence_length(InferContext& c) {
  check_sequence(c, 0);
  set_tensor(c, 0, DType::kI64, Shape{});
}

void run_sequence_length(KernelContext& c) {
  *c.output(0).as<int64_t>() = static_cast<int64_t>(c.datum(0).items().size());
}

const RegisterOp kSequenceAt({.name = "SequenceAt",
                              .inputs = {2, 2},
                              .infer = infer_sequence_at,
                              .run = run_sequence_at,
                              .source = "https://onnx.ai/onnx/operators/onnx__SequenceAt.html"});
const RegisterOp kSequenceConstruct(
    {.name = "SequenceConstruct",
     .inputs = {1, kAnyNumber},
     .infer = infer_sequence_construct,
     .run = run_sequence_construct,
     .source = "https://onnx.ai/onnx/operators/onnx__SequenceConstruct.html"});
const RegisterOp kSequenceEmpty(
    {.name = "SequenceEmpty",
     .attributes = {optional("dtype", AttrKind::kInt)},
     .inputs = {0, 0},
     .infer = infer_sequence_empty,
     .run = run_sequence_empty,
     .source = "https://onnx.ai/onnx/operators/onnx__SequenceEmpty.html"});
const RegisterOp kSequenceErase(
    {.name = "SequenceErase",
     .inputs = {1, 2},
     .infer = infer_sequence_erase,
     .run = run_sequence_erase,
     .source = "https://onnx.ai/onnx/operators/onnx__SequenceErase.html"});
const RegisterOp kSequenceInsert(
    {.name = "SequenceInsert",
     .inputs = {2, 3},
     .infer = infer_sequence_insert,
     .run = run_sequence_insert,
     .source = "https://onnx.ai/onnx/operators/onnx__SequenceInsert.html"});
const RegisterOp kSequenceLength(
    {.name = "SequenceLength",
     .infer = infer_sequence_length,
     .run = run_sequence_length,
     .source = "https://onnx.ai/onnx/operators/onnx__SequenceLength.html"});

}  // namespace
}  // namespace planish
