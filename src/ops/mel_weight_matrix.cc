// SPDX-License-Identifier: Apache-2.0
// MelWeightMatrix: triangular filters on the mel scale, for the bins of a one-sided DFT.
#include <cmath>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

Dim scalar_dim(InferContext& c, int i, std::string_view what) {
  const auto known = c.contents(i);
  if (!known || known->size() != 1 || !(*known)[0]) return c.fresh_dim();
  check_size(c, *(*known)[0], what);
  return (*known)[0]->range().min >= 0 ? *(*known)[0] : c.fresh_dim();
}

void infer_mel_weight_matrix(InferContext& c) {
  for (int i = 0; i < 5; ++i) {
    check_tensor(c, i, i < 3 ? is_index_dtype : is_float, i < 3 ? "int32 or int64" : "a float");
    check_single(c, i);
  }
  const DType dtype = dtype_attribute(c, "output_datatype", DType::kF32);
  if (!is_number(dtype))
    c.fail(concat("output_datatype: expected numbers, got ", dtype_name(dtype)),
           ErrorCode::kInvalidType);
  const Dim bands = scalar_dim(c, 0, "num_mel_bins"), length = scalar_dim(c, 1, "dft_length");
  set_tensor(c, 0, dtype, Shape{length.floor_div(2) + 1, bands});
}

// The DFT bins where the filters begin, peak and end, one more at either side than there are bands.
std::vector<int64_t> filter_edges(const KernelContext& c, int64_t bands, int64_t bins) {
  const auto length = static_cast<double>(element<int64_t>(c.input(1), 0));
  const auto rate = static_cast<double>(element<int64_t>(c.input(2), 0));
  if (!(rate > 0)) c.fail(concat("sample_rate is ", rate));
  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(element<double>(c.input(3), 0)),
               high = mel(element<double>(c.input(4), 0));
  const double step = (high - low) / static_cast<double>(bands + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bands + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (low + static_cast<double>(i) * step) / 2595) - 1);
    const double bin = std::floor((length + 1) * hertz / rate);
    if (!(bin >= 0 && bin < static_cast<double>(bins)))
      c.fail(concat("band ", i, " at ", hertz, " Hz lies outside of the ", bins, " bins"));
    edges.push_back(static_cast<int64_t>(bin));
  }
  return edges;
}

void run_mel_weight_matrix(KernelContext& c) {
  const int64_t bands = element<int64_t>(c.input(0), 0),
                bins = element<int64_t>(c.input(1), 0) / 2 + 1;
  Tensor& out = c.output(0);
  require_dims(c, out, {bins, bands});
  const std::vector<int64_t> edges = filter_edges(c, bands, bins);
  std::vector<double> weights(static_cast<size_t>(out.count()), 0);
  for (int64_t i = 0; i < bands; ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t low = edges[at], peak = edges[at + 1], high = edges[at + 2];
    auto weight = [&](int64_t bin) -> double& {
      return weights[static_cast<size_t>(bin * bands + i)];
    };
    if (peak == low) weight(peak) = 1;
    for (int64_t bin = low; bin <= peak && peak > low; ++bin)
      weight(bin) = static_cast<double>(bin - low) / static_cast<double>(peak - low);
    for (int64_t bin = peak; bin < high; ++bin)
      weight(bin) = static_cast<double>(high - bin) / static_cast<double>(high - peak);
  }
  store(out, weights);
}

const RegisterOp kMelWeightMatrix(
    {.name = "MelWeightMatrix",
     .attributes = {optional("output_datatype", AttrKind::kInt)},
     .inputs = {5, 5},
     .infer = infer_mel_weight_matrix,
     .run = run_mel_weight_matrix,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html"});

}  // namespace
}  // namespace planish
