// SPDX-License-Identifier: Apache-2.0
// BatchNormalization: scales and shifts each channel by given statistics or, in training mode, by
// those of the batch.  https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/moments.h"
#include "ops/op.h"
#include "tensor/elements.h"

namespace planish {
namespace {

constexpr double kEpsilon = 9.999999747378752e-06;  // 1e-5 as float32

void infer_batch_normalization(InferContext& c) {
  const DType dtype = check_float(c, 0);
  for (int i = 1; i < 5; ++i) {
    check_float(c, i);
    check_rank(c, i, 1);
  }
  check_same_dtype_pair(c, 1, 2);
  check_same_dtype_pair(c, 3, 4);
  if (!flag(c.attributes(), "training_mode", false) && (c.wants_output(1) || c.wants_output(2)))
    c.fail("the running statistics are outputs in training mode only", ErrorCode::kInvalidModel);
  check_min_rank(c, 0, 1);
  c.set_output(0, c.input(0));
  if (c.has_rank(0)) {
    const Dim channels = c.rank(0) == 1 ? Dim(1) : c.shape(0)[1];
    for (int i = 1; i < 5; ++i) check_shape(c, i, {channels});
    c.set_output(0, Type::tensor(dtype, c.shape(0)));
  }
  c.set_output(1, c.input(3));
  c.set_output(2, c.input(4));
}

// The statistics of each channel over batch and space.
std::vector<Moments> batch_moments(const std::vector<double>& x, int64_t batch, int64_t channels,
                                   int64_t space) {
  std::vector<Moments> out(static_cast<size_t>(channels));
  std::vector<double> all(static_cast<size_t>(batch * space));
  for (int64_t ch = 0; ch < channels; ++ch) {
    for (int64_t n = 0; n < batch; ++n)
      std::copy_n(x.begin() + (n * channels + ch) * space, space, all.begin() + n * space);
    out[static_cast<size_t>(ch)] = moments_of(all.data(), batch * space);
  }
  return out;
}

void run_batch_normalization(KernelContext& c) {
  const Dims& dims = c.input(0).dims();
  const int64_t batch = dims[0], channels = dims.size() == 1 ? 1 : dims[1];
  const int64_t images = batch * channels;
  const int64_t space = images == 0 ? 0 : c.input(0).count() / images;
  std::vector<double> x = load<double>(c.input(0));
  const auto scale = load<double>(c.input(1)), bias = load<double>(c.input(2));
  std::vector<double> mean = load<double>(c.input(3)), variance = load<double>(c.input(4));
  if (flag(c.attributes(), "training_mode", false)) {
    const double momentum = c.attributes().real("momentum", 0.8999999761581421);
    const std::vector<Moments> now = batch_moments(x, batch, channels, space);
    std::vector<double> running_mean = mean, running_variance = variance;
    for (size_t ch = 0; ch < now.size(); ++ch) {
      running_mean[ch] = mean[ch] * momentum + now[ch].mean * (1 - momentum);
      running_variance[ch] = variance[ch] * momentum + now[ch].variance * (1 - momentum);
      mean[ch] = now[ch].mean;
      variance[ch] = now[ch].variance;
    }
    if (c.wants_output(1)) store(c.output(1), running_mean);
    if (c.wants_output(2)) store(c.output(2), running_variance);
  }
  if (!c.wants_output(0)) return;
  const double epsilon = c.attributes().real("epsilon", kEpsilon);
  for (int64_t image = 0; image < images; ++image) {
    const auto ch = static_cast<size_t>(image % channels);
    const double factor = scale[ch] / std::sqrt(variance[ch] + epsilon);
    for (int64_t i = image * space; i < (image + 1) * space; ++i)
      x[static_cast<size_t>(i)] = (x[static_cast<size_t>(i)] - mean[ch]) * factor + bias[ch];
  }
  store(c.output(0), x);
}

const RegisterOp kBatchNormalization(
    {.name = "BatchNormalization",
     .attributes = {optional("epsilon", AttrKind::kFloat), optional("momentum", AttrKind::kFloat),
                    optional("training_mode", AttrKind::kInt)},
     .inputs = {5, 5},
     .outputs = {1, 3},
     .infer = infer_batch_normalization,
     .run = run_batch_normalization,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__BatchNormalization.html"});

}  // namespace
}  // namespace planish
