// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/tape_rules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backend/cpu/kernels/pointwise_tile.h"
#include "ops/pointwise_rows.h"

namespace planish::test {
namespace {

using cpu::PointwiseTape;
using cpu::TapeDomain;
constexpr TapeDomain kFloats = TapeDomain::kF32, kWhole = TapeDomain::kI64;

// Bytes to floats and back: f * b is cut to a byte, or 7 where f is NaN.
PointwiseTape round_trips(DType byte) {
  PointwiseTape tape;
  tape.inputs = {{byte, kWhole}, {DType::kF32, kFloats}};
  tape.constants = {{.domain = kFloats, .f32 = 7}};
  tape.instructions = {
      {.op = cpu::kTapeToF32, .domain = kWhole, .a = 0},                               // 3
      {.op = find_pointwise_row("Mul"), .domain = kFloats, .a = 3, .b = 1},            // 4
      {.op = find_pointwise_row("IsNaN"), .domain = kFloats, .a = 4},                  // 5
      {.op = cpu::kTapeToI64, .domain = kFloats, .a = 5},                              // 6
      {.op = cpu::kTapeToF32, .domain = kWhole, .a = 6},                               // 7
      {.op = find_pointwise_row("Where"), .domain = kFloats, .a = 7, .b = 2, .c = 4},  // 8
      {.op = cpu::kTapeToI64, .domain = kFloats, .a = 8, .wrap = byte},                // 9
  };
  tape.outputs = {{9, byte}};
  return tape;
}

template <class T>
std::vector<T> run(const PointwiseTape& tape, cpu::Isa isa, std::vector<T> bytes,
                   std::vector<float> floats) {
  const cpu::PointwiseProgram program(tape, isa);
  std::vector<T> out(bytes.size());
  const auto n = static_cast<int64_t>(out.size());
  const cpu::TileView in[] = {{bytes.data(), n, 1}, {floats.data(), n, 1}};
  const cpu::TileView to[] = {{out.data(), n, 1}};
  cpu::run_pointwise_tile(program, in, to, 1, n);
  return out;
}

template <class T>
void expect_same(DType type) {
  std::vector<T> bytes;
  std::vector<float> floats;
  const float edges[] = {1,
                         -0.75F,
                         3e9F,
                         -3e9F,
                         2147483648.0F,
                         1e30F,
                         HUGE_VALF,
                         std::numeric_limits<float>::quiet_NaN()};
  for (int i = 0; i < 1000; ++i) {
    bytes.push_back(static_cast<T>(i));
    // Long runs without edges too: those are stored a block at a time.
    floats.push_back(i < 500 ? 0.01F * static_cast<float>(i) : edges[i % 8]);
  }
  const PointwiseTape plain = round_trips(type), short_one = cpu::without_round_trips(plain);
  EXPECT_EQ(short_one.instructions.size(), 3U);
  EXPECT_EQ(short_one.inputs[0].domain, kFloats);
  for (const cpu::Isa isa : cpu::kAllIsas)
    if (cpu::isa_supported(isa)) {
      EXPECT_EQ(run<T>(short_one, isa, bytes, floats), run<T>(plain, isa, bytes, floats));
    }
}

TEST(TapeRules, RoundTripsOfBytesGo) {
  expect_same<uint8_t>(DType::kU8);
  expect_same<int8_t>(DType::kI8);
  expect_same<int16_t>(DType::kI16);
}

// An integer that is also used as one, or that has more bits than a float, is read as it is.
TEST(TapeRules, IntegersThatAreUsedStay) {
  PointwiseTape tape = round_trips(DType::kU8);
  tape.outputs.push_back({0, DType::kU8});
  EXPECT_EQ(cpu::without_round_trips(tape).inputs[0].domain, kWhole);
  EXPECT_EQ(cpu::without_round_trips(round_trips(DType::kI32)).inputs[0].domain, kWhole);
}

// 0.5 is true as a float and 0 as an integer.
TEST(TapeRules, OnlyTruthGoesFromFloatsToBools) {
  PointwiseTape tape;
  tape.inputs = {{DType::kF32, kFloats}};
  tape.instructions = {{.op = cpu::kTapeToI64, .domain = kFloats, .a = 0}};
  tape.outputs = {{1, DType::kBool}};
  EXPECT_EQ(cpu::without_round_trips(tape).instructions.size(), 1U);
}

}  // namespace
}  // namespace planish::test
