// SPDX-License-Identifier: Apache-2.0
// Fourier transforms, losses, steps of optimisers, detection, deformable convolution and dropout.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "ops/fourier.h"
#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kModel = ErrorCode::kInvalidModel;
using Ints = std::vector<int64_t>;
using Complexes = std::vector<std::complex<double>>;

TEST(SignalOps, FourierOfEveryLength) {
  for (size_t n = 1; n <= 64; ++n)
    for (bool inverse : {false, true}) {
      Complexes x(n), expected(n);
      for (size_t i = 0; i < n; ++i)
        x[i] = {std::sin(static_cast<double>(i * i)), std::cos(static_cast<double>(3 * i))};
      for (size_t k = 0; k < n; ++k)
        for (size_t i = 0; i < n; ++i)
          expected[k] +=
              x[i] * std::polar(1.0, (inverse ? 2 : -2) * std::numbers::pi *
                                         static_cast<double>(i * k % n) / static_cast<double>(n));
      fourier_transform(x, inverse);
      for (size_t k = 0; k < n; ++k)
        EXPECT_LT(std::abs(x[k] - expected[k]), 1e-12 * static_cast<double>(n)) << n << " " << k;
    }
}

TEST(SignalOps, Dft) {
  const Attributes onesided{{"onesided", int64_t{1}}}, inverse{{"inverse", int64_t{1}}};
  const Attributes both{{"onesided", int64_t{1}}, {"inverse", int64_t{1}}};
  const Tensor x = f32({1, 4, 1}, {1, 2, 3, 4});
  const Tensor half = f32({1, 3, 2}, {10, 0, -2, 2, -2, 0});
  check_cases({
      {"forward", "DFT", {}, {x}, {f32({1, 4, 2}, {10, 0, -2, 2, -2, 0, -2, -2})}},
      {"one side", "DFT", onesided, {x}, {half}},
      {"back",
       "DFT",
       inverse,
       {f32({1, 4, 2}, {10, 0, -2, 2, -2, 0, -2, -2})},
       {f32({1, 4, 2}, {1, 0, 2, 0, 3, 0, 4, 0})}},
      {"back from one side", "DFT", both, {half}, {x}},
      {"padded", "DFT", {}, {f32({1, 1, 1}, {5}), i64({}, {2})}, {f32({1, 2, 2}, {5, 0, 5, 0})}},
      {"cut", "DFT", {}, {x, i64({}, {1})}, {f32({1, 1, 2}, {1, 0})}},
      {"another axis",
       "DFT",
       {},
       {f32({2, 1, 1}, {1, 2}), kAbsent, i64({}, {0})},
       {f32({2, 1, 2}, {3, 0, -1, 0})}},
      {"the last axis", "DFT", {}, {x, kAbsent, i64({}, {-1})}, {}, kShape, "parts of complex"},
      {"length", "DFT", {}, {x, i64({}, {-1})}, {}, kShape, "dft_length"},
      {"huge length", "DFT", {}, {x, i64({}, {1e12})}, {}, ErrorCode::kBudgetExceeded, "bytes"},
      {"parts", "DFT", {}, {f32({1, 3}, {1, 2, 3})}, {}, kShape, "last dimension"},
      {"one side of complex numbers", "DFT", onesided, {half}, {}, kShape, "real input"},
  });
}

TEST(SignalOps, Stft) {
  const Tensor x = f32({1, 4, 1}, {1, 2, 3, 4});
  check_cases({
      {"frames",
       "STFT",
       {},
       {x, i64({}, {2}), kAbsent, i64({}, {2})},
       {f32({1, 2, 2, 2}, {3, 0, -1, 0, 7, 0, -1, 0})}},
      {"window",
       "STFT",
       {},
       {x, i64({}, {2}), f32({2}, {1, 0})},
       {f32({1, 2, 2, 2}, {1, 0, 1, 0, 3, 0, 3, 0})}},
      {"both sides",
       "STFT",
       {{"onesided", int64_t{0}}},
       {x, i64({}, {4}), kAbsent, i64({}, {2})},
       {f32({1, 1, 2, 2}, {3, 0, -1, 0})}},
      {"step 0", "STFT", {}, {x, i64({}, {0}), kAbsent, i64({}, {2})}, {}, kShape, "frame_step"},
      {"too long",
       "STFT",
       {},
       {x, i64({}, {1}), kAbsent, i64({}, {5})},
       {},
       kShape,
       "does not fit"},
  });
}

TEST(SignalOps, Losses) {
  const Tensor x = f32({2, 2}, {-1, -2, -3, -4}), labels = i64({2}, {0, 1});
  const double log2 = std::log(2.0);
  auto reduced = [](std::string how) { return Attributes{{"reduction", std::move(how)}}; };
  check_cases({
      {"each", "NegativeLogLikelihoodLoss", reduced("none"), {x, labels}, {f32({2}, {1, 4})}},
      {"sum", "NegativeLogLikelihoodLoss", reduced("sum"), {x, labels}, {f32({}, {5})}},
      {"weighted mean",
       "NegativeLogLikelihoodLoss",
       {},
       {x, labels, f32({2}, {1, 3})},
       {f32({}, {13.0 / 4})}},
      {"ignored",
       "NegativeLogLikelihoodLoss",
       {{"ignore_index", int64_t{-7}}},
       {x, i64({2}, {-7, 1})},
       {f32({}, {4})}},
      {"no such class",
       "NegativeLogLikelihoodLoss",
       {},
       {x, i64({2}, {0, 2})},
       {},
       kValue,
       "label 2"},
      {"negative class",
       "NegativeLogLikelihoodLoss",
       {},
       {x, i64({2}, {0, -1})},
       {},
       kValue,
       "label -1"},
      {"cross entropy",
       "SoftmaxCrossEntropyLoss",
       reduced("none"),
       {f32({1, 2, 1}, {1000, 1000}), i32({1, 1}, {1})},
       {f32({1, 1}, {log2}), f32({1, 2, 1}, {-log2, -log2})}},
      {"reduction", "SoftmaxCrossEntropyLoss", reduced("max"), {x, labels}, {}, kModel, "max"},
      {"labels", "SoftmaxCrossEntropyLoss", {}, {x, i64({1}, {0})}, {}, kShape, "input 1"},
  });
}

TEST(SignalOps, Optimizers) {
  const std::string domain = "ai.onnx.preview.training.";
  const Tensor rate = f32({}, {0.5}), x = f32({1}, {2}), g = f32({1}, {4}), v = f32({1}, {1}),
               h = f32({1}, {9});
  const Attributes momentum{
      {"alpha", 0.5}, {"beta", 0.25}, {"norm_coefficient", 0.0}, {"mode", "standard"}};
  Attributes nesterov = momentum;
  nesterov.set("mode", std::string("nesterov"));
  check_cases({
      {"Adagrad",
       domain + "Adagrad",
       {{"epsilon", 0.0}},
       {rate, i64({}, {0}), x, g, h},
       {f32({1}, {2 - 0.4}), f32({1}, {25})}},
      {"Adam",
       domain + "Adam",
       {{"alpha", 0.5}, {"beta", 0.5}, {"epsilon", 0.0}, {"norm_coefficient_post", 0.5}},
       {rate, i64({}, {0}), x, g, v, h},
       {f32({1}, {0.5 * (2 - 1.25 / std::sqrt(12.5))}), f32({1}, {2.5}), f32({1}, {12.5})}},
      {"Momentum, first step",
       domain + "Momentum",
       momentum,
       {rate, i64({}, {0}), x, g, v},
       {f32({1}, {-0.25}), f32({1}, {4.5})}},
      {"Momentum",
       domain + "Momentum",
       momentum,
       {rate, i64({}, {1}), x, g, v},
       {f32({1}, {1.25}), f32({1}, {1.5})}},
      {"Nesterov",
       domain + "Momentum",
       nesterov,
       {rate, i64({}, {1}), x, g, v},
       {f32({1}, {-0.375}), f32({1}, {1.5})}},
      {"groups",
       domain + "Momentum",
       momentum,
       {rate, i64({}, {1}), x, g},
       {x},
       kModel,
       "for each tensor"},
  });
}

TEST(SignalOps, NonMaxSuppression) {
  const Tensor boxes = f32({1, 3, 4}, {0, 0, 2, 2, 0, 0, 2, 1.9, 10, 10, 11, 11});
  const Tensor scores = f32({1, 1, 3}, {0.5, 0.9, 0.3});
  check_cases({
      {"overlapping",
       "NonMaxSuppression",
       {},
       {boxes, scores, i64({}, {9}), f32({}, {0.5})},
       {i64({2, 3}, {0, 0, 1, 0, 0, 2})}},
      {"scores",
       "NonMaxSuppression",
       {},
       {boxes, scores, i64({}, {9}), f32({}, {0.5}), f32({}, {0.4})},
       {i64({1, 3}, {0, 0, 1})}},
      {"at most one",
       "NonMaxSuppression",
       {},
       {boxes, scores, i64({}, {1}), f32({}, {1})},
       {i64({1, 3}, {0, 0, 1})}},
      {"none asked for", "NonMaxSuppression", {}, {boxes, scores}, {i64({0, 3}, {})}},
      {"not a number",
       "NonMaxSuppression",
       {},
       {boxes, f32({1, 1, 3}, {NAN, 0.9, NAN}), i64({}, {9})},
       {i64({1, 3}, {0, 0, 1})}},
      {"by centre",
       "NonMaxSuppression",
       {{"center_point_box", int64_t{1}}},
       {f32({1, 2, 4}, {1, 1, 2, 2, 4, 1, 2, 2}), f32({1, 1, 2}, {1, 2}), i64({}, {9})},
       {i64({2, 3}, {0, 0, 1, 0, 0, 0})}},
      {"boxes",
       "NonMaxSuppression",
       {},
       {f32({1, 1, 3}, {0, 0, 0}), f32({1, 1, 1}, {1})},
       {},
       kShape,
       "dimension 2"},
  });
}

TEST(SignalOps, DeformConv) {
  const Tensor x = f32({1, 1, 1, 3}, {1, 2, 4}), w = f32({1, 1, 1, 1}, {10});
  const Tensor still = f32({1, 2, 1, 3}, {0, 0, 0, 0, 0, 0}),
               right = f32({1, 2, 1, 3}, {0, 0, 0, 0.5, 0.5, 0.5});
  check_cases({
      {"still", "DeformConv", {}, {x, w, still}, {f32({1, 1, 1, 3}, {10, 20, 40})}},
      {"moved, biased",
       "DeformConv",
       {},
       {x, w, right, f32({1}, {1})},
       {f32({1, 1, 1, 3}, {16, 31, 21})}},
      {"masked",
       "DeformConv",
       {},
       {x, w, still, kAbsent, f32({1, 1, 1, 3}, {1, 0, 0.5})},
       {f32({1, 1, 1, 3}, {10, 0, 20})}},
      {"not a number",
       "DeformConv",
       {},
       {x, w, f32({1, 2, 1, 3}, {NAN, 1e30, 0, 0, 0, 0})},
       {f32({1, 1, 1, 3}, {0, 0, 40})}},
      {"offsets", "DeformConv", {}, {x, w, f32({1, 1, 1, 3}, {0, 0, 0})}, {}, kShape, "input 2"},
  });
}

TEST(SignalOps, Dropout) {
  const Tensor x = f32({3}, {1, 2, 3});
  check_cases({
      {"inference", "Dropout", {}, {x, f32({}, {0.9})}, {x, boolean({3}, {1, 1, 1})}},
      {"ratio 0", "Dropout", {}, {x, f32({}, {0}), boolean({}, {1})}, {x}},
      {"ratio 1", "Dropout", {}, {x, f32({}, {1}), boolean({}, {1})}, {}, kValue, "ratio"},
  });
  const OpCase random{"random",
                      "Dropout",
                      {{"seed", int64_t{3}}},
                      {counting(DType::kF32, {1000}), f32({}, {0.25}), boolean({}, {1})},
                      {x, x}};
  const std::vector<Datum> out = evaluate_case(random);
  const auto y = load<double>(out[0].tensor()), mask = load<double>(out[1].tensor());
  double kept = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(y[i], mask[i] * static_cast<double>(i) / 0.75, 1e-3);
    kept += mask[i];
  }
  EXPECT_NEAR(kept, 750, 60);
}

}  // namespace
}  // namespace planish::test
