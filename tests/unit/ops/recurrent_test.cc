// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and RNN, each against its equations for a single unit.
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_case.h"

namespace planish::test {
namespace {

using Strings = std::vector<std::string>;
using Reals = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
Attributes with(std::initializer_list<std::pair<const std::string, Attribute>> more) {
  Attributes a(more);
  a.set("hidden_size", int64_t{1});
  return a;
}

TEST(RecurrentOps, Rnn) {
  const Tensor x = f32({2, 1, 1}, {1, 2}), w = f32({1, 1, 1}, {0.5}), r = f32({1, 1, 1}, {0.25});
  const double h1 = std::tanh(0.5), h2 = std::tanh(1 + 0.25 * h1);
  const double b2 = std::tanh(1), b1 = std::tanh(0.5 + 0.25 * b2);
  check_cases({
      {"forward", "RNN", with({}), {x, w, r}, {f32({2, 1, 1, 1}, {h1, h2}), f32({1, 1, 1}, {h2})}},
      {"reverse",
       "RNN",
       with({{"direction", "reverse"}}),
       {x, w, r},
       {f32({2, 1, 1, 1}, {b1, b2}), f32({1, 1, 1}, {b1})}},
      {"bidirectional, batch first",
       "RNN",
       with({{"direction", "bidirectional"}, {"layout", int64_t{1}}}),
       {f32({1, 2, 1}, {1, 2}), f32({2, 1, 1}, {0.5, 0.5}), f32({2, 1, 1}, {0.25, 0.25})},
       {f32({1, 2, 2, 1}, {h1, b1, h2, b2}), f32({1, 2, 1}, {h2, b1})}},
      {"bias, initial state, function with parameters",
       "RNN",
       with({{"activations", Strings{"Affine"}},
             {"activation_alpha", Reals{2.0}},
             {"activation_beta", Reals{1.0}}}),
       {f32({1, 1, 1}, {1}), w, r, f32({1, 2}, {3, 4}), kAbsent, f32({1, 1, 1}, {2})},
       {f32({1, 1, 1, 1}, {17})}},
      {"clipped",
       "RNN",
       with({{"activations", Strings{"relu"}}, {"clip", 0.75}}),
       {x, w, r},
       {f32({2, 1, 1, 1}, {0.5, 0.75})}},
      {"lengths",
       "RNN",
       with({{"activations", Strings{"Relu"}}, {"direction", "reverse"}}),
       {f32({2, 2, 1}, {1, 2, 3, 4}), f32({1, 1, 1}, {1}), f32({1, 1, 1}, {10}), kAbsent,
        i32({2}, {1, 2})},
       {f32({2, 1, 2, 1}, {1, 42, 0, 4}), f32({1, 2, 1}, {1, 42})}},
      {"no steps",
       "RNN",
       with({}),
       {f32({0, 1, 1}, {}), w, r, kAbsent, kAbsent, f32({1, 1, 1}, {7})},
       {f32({0, 1, 1, 1}, {}), f32({1, 1, 1}, {7})}},
      {"length beyond the steps",
       "RNN",
       with({}),
       {x, w, r, kAbsent, i32({1}, {3})},
       {},
       ErrorCode::kInvalidValue,
       "from 0 to 2"},
      {"unknown function",
       "RNN",
       with({{"activations", Strings{"Sine"}}}),
       {x, w, r},
       {},
       ErrorCode::kInvalidModel,
       "Sine"},
      {"direction",
       "RNN",
       with({{"direction", "up"}}),
       {x, w, r},
       {},
       ErrorCode::kInvalidModel,
       "\"up\""},
      {"weights",
       "RNN",
       with({}),
       {x, f32({1, 2, 1}, {1, 1}), r},
       {},
       ErrorCode::kInvalidShape,
       "input 1"},
  });
}

TEST(RecurrentOps, Gru) {
  const Tensor x = f32({1, 1, 1}, {1}), w = f32({1, 3, 1}, {0.1, 0.2, 0.3}),
               r = f32({1, 3, 1}, {0.4, 0.5, 0.6});
  const Tensor b = f32({1, 6}, {0.01, 0.02, 0.03, 0.04, 0.05, 0.06}), h = f32({1, 1, 1}, {2});
  const double z = sigmoid(0.1 + 0.8 + 0.05), reset = sigmoid(0.2 + 1 + 0.07);
  const double before = std::tanh(0.3 + 0.03 + reset * 2 * 0.6 + 0.06);
  const double after = std::tanh(0.3 + 0.03 + reset * (2 * 0.6 + 0.06));
  check_cases({
      {"reset before the product",
       "GRU",
       with({}),
       {x, w, r, b, kAbsent, h},
       {kAbsent, f32({1, 1, 1}, {(1 - z) * before + z * 2})}},
      {"reset after it",
       "GRU",
       with({{"linear_before_reset", int64_t{1}}}),
       {x, w, r, b, kAbsent, h},
       {f32({1, 1, 1, 1}, {(1 - z) * after + z * 2}), f32({1, 1, 1}, {(1 - z) * after + z * 2})}},
  });
}

TEST(RecurrentOps, Lstm) {
  const Tensor x = f32({1, 1, 1}, {1}), w = f32({1, 4, 1}, {0.1, 0.2, 0.3, 0.4});
  const Tensor r = f32({1, 4, 1}, {0.5, 0.6, 0.7, 0.8}), h = f32({1, 1, 1}, {2}),
               cell = f32({1, 1, 1}, {3});
  const Tensor p = f32({1, 3}, {0.01, 0.02, 0.03});
  const double in = sigmoid(0.1 + 1 + 0.03), forget = sigmoid(0.3 + 1.4 + 0.09);
  const double c1 = forget * 3 + in * std::tanh(0.4 + 1.6);
  const double out = sigmoid(0.2 + 1.2 + 0.02 * c1);
  const double c2 = (1 - in) * 3 + in * std::tanh(0.4 + 1.6);
  check_cases({
      {"peepholes",
       "LSTM",
       with({}),
       {x, w, r, kAbsent, kAbsent, h, cell, p},
       {f32({1, 1, 1, 1}, {out * std::tanh(c1)}), f32({1, 1, 1}, {out * std::tanh(c1)}),
        f32({1, 1, 1}, {c1})}},
      {"coupled gates",
       "LSTM",
       with({{"input_forget", int64_t{1}}}),
       {x, w, r, kAbsent, kAbsent, h, cell, p},
       {kAbsent, kAbsent, f32({1, 1, 1}, {c2})}},
      {"other functions",
       "LSTM",
       with({{"activations", Strings{"HardSigmoid", "Softsign", "LeakyRelu"}},
             {"activation_alpha", Reals{0.25, 0.5}},
             {"activation_beta", Reals{0.5}}}),
       {f32({1, 1, 1}, {-1}), f32({1, 4, 1}, {0, 0, 0, 1}), r},
       {f32({1, 1, 1, 1}, {-0.0625}), kAbsent, f32({1, 1, 1}, {-0.25})}},
      {"bias",
       "LSTM",
       with({}),
       {x, w, r, f32({1, 4}, {1, 1, 1, 1})},
       {},
       ErrorCode::kInvalidShape,
       "expected [1, 8]"},
  });
}

}  // namespace
}  // namespace planish::test
