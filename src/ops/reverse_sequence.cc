// SPDX-License-Identifier: Apache-2.0
// ReverseSequence: the first sequence_lens[b] steps of each sample in reverse order.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_reverse_sequence(InferContext& c) {
  check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_min_rank(c, 0, 2);
  check_rank(c, 1, 1);
  const int64_t time = c.attributes().integer("time_axis", 0),
                batch = c.attributes().integer("batch_axis", 1);
  if (!((time == 0 && batch == 1) || (time == 1 && batch == 0)))
    c.fail(concat("expected time_axis and batch_axis 0 and 1, got ", time, " and ", batch),
           ErrorCode::kInvalidModel);
  if (c.has_rank(0) && c.has_rank(1))
    check_equal(c, c.shape(0)[static_cast<size_t>(batch)], c.shape(1)[0],
                "batch of input and sequence_lens");
  set_like(c, 0, 0);
}

void run_reverse_sequence(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const bool time_first = c.attributes().integer("time_axis", 0) == 0;
  const std::vector<int64_t> lengths = load<int64_t>(c.input(1));
  const int64_t steps = in.dim(time_first ? 0 : 1), batch = in.dim(time_first ? 1 : 0);
  const int64_t inner = inner_count(in.dims(), 1);
  c.require(static_cast<int64_t>(lengths.size()) == batch,
            "sequence_lens is not one for each sample");
  fill_spread(c.output(0), [&](Tensor& out) {
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t length = lengths[static_cast<size_t>(b)];
      if (length < 0 || length > steps)
        c.fail(concat("sequence length ", length, " is outside of 0 to ", steps));
      for (int64_t t = 0; t < steps; ++t) {
        const int64_t source = t < length ? length - 1 - t : t;
        auto place = [&](int64_t step) {
          return (time_first ? step * batch + b : b * steps + step) * inner;
        };
        copy_run(out, place(t), in, place(source), inner);
      }
    }
  });
}

const RegisterOp kReverseSequence(
    {.name = "ReverseSequence",
     .attributes = {optional("batch_axis", AttrKind::kInt), optional("time_axis", AttrKind::kInt)},
     .inputs = {2, 2},
     .infer = infer_reverse_sequence,
     .run = run_reverse_sequence,
     .source = "https://onnx.ai/onnx/operators/onnx__ReverseSequence.html"});

}  // namespace
}  // namespace planish
