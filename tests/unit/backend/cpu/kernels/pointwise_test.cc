// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pointwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planish/error.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;
using testing::Random;

int op(const char* name) { return find_pointwise_row(name); }

int64_t count_of(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  return count;
}

// Offset of the row-major index `i` of `dims` under the operand's strides.
int64_t offset_of(int64_t i, const std::vector<int64_t>& dims, const PointwiseOperand& operand) {
  int64_t offset = 0;
  for (int d = static_cast<int>(dims.size()) - 1; d >= 0; --d) {
    offset += i % dims[d] * operand.strides[d];
    i /= dims[d];
  }
  return offset;
}

struct Broadcast {
  std::vector<int64_t> out;
  std::vector<std::vector<int64_t>> in;
};

// (x + y) * sigmoid(z), checked element by element against doubles.
void check_three_operands(Isa isa, const Broadcast& shapes, ThreadPool& pool) {
  PointwiseTape tape;
  tape.inputs.resize(3);
  tape.instructions = {{.op = op("Add"), .a = 0, .b = 1},
                       {.op = op("Sigmoid"), .a = 2},
                       {.op = op("Mul"), .a = 3, .b = 4}};
  tape.outputs = {{.value = 5}};
  const PointwiseProgram program(tape, isa);
  PointwiseParams params;
  params.program = &program;
  params.rank = static_cast<int>(shapes.out.size());
  std::copy(shapes.out.begin(), shapes.out.end(), params.dims);
  Random random(7);
  std::vector<Guarded<float>> inputs;
  for (int i = 0; i < 3; ++i) {
    inputs.emplace_back(count_of(shapes.in[i]));
    for (float& x : inputs.back()) x = random.real(-3, 3);
    params.inputs[i].data = inputs.back().data();
    set_broadcast_strides(shapes.in[i], params.rank, &params.inputs[i]);
  }
  Guarded<float> out(count_of(shapes.out));
  std::fill(out.begin(), out.end(), -77.0f);
  params.outputs[0].data = out.data();
  set_broadcast_strides(shapes.out, params.rank, &params.outputs[0]);
  run_pointwise(params, pool);
  for (int64_t i = 0; i < count_of(shapes.out); ++i) {
    double v[3];
    for (int k = 0; k < 3; ++k) v[k] = inputs[k][offset_of(i, shapes.out, params.inputs[k])];
    const double want = (v[0] + v[1]) / (1 + std::exp(-v[2]));
    ASSERT_NEAR(out[i], want, 1e-6 * std::max(1.0, std::fabs(want)))
        << isa_name(isa) << " element " << i;
  }
}

TEST(Pointwise, BroadcastsOfManyShapes) {
  const std::vector<Broadcast> shapes = {
      {{1}, {{1}, {1}, {1}}},
      {{17}, {{17}, {1}, {17}}},
      {{4099}, {{4099}, {4099}, {}}},
      {{3, 1000}, {{3, 1000}, {1000}, {3, 1}}},
      {{70, 65}, {{70, 65}, {70, 1}, {65}}},
      {{129, 3}, {{129, 3}, {3}, {129, 1}}},
      {{2, 5, 7, 7}, {{2, 5, 7, 7}, {5, 1, 1}, {2, 1, 1, 1}}},
      {{2, 8, 14, 14}, {{2, 8, 14, 14}, {8, 1, 1}, {1, 8, 1, 1}}},
      {{2, 3, 4, 33}, {{3, 1, 33}, {2, 1, 4, 1}, {33}}},
      {{6, 1, 5, 2}, {{6, 1, 5, 2}, {5, 1}, {6, 1, 1, 2}}},
      {{9, 11, 13}, {{1, 11, 1}, {9, 1, 13}, {9, 11, 13}}},
      {{5000, 2}, {{5000, 2}, {2}, {1}}},
      {{3, 40, 200}, {{3, 40, 200}, {3, 1, 200}, {40, 200}}},
  };
  for (Isa isa : isas_here()) {
    for (int threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const Broadcast& shape : shapes) check_three_operands(isa, shape, pool);
    }
  }
}

TEST(Pointwise, EmptyOutputTouchesNothing) {
  PointwiseTape tape;
  tape.inputs.resize(1);
  tape.instructions = {{.op = op("Exp"), .a = 0}};
  tape.outputs = {{.value = 1}};
  const PointwiseProgram program(tape);
  PointwiseParams params;
  params.program = &program;
  params.rank = 2;
  params.dims[0] = 0;
  params.dims[1] = 5;
  ThreadPool pool(1);
  run_pointwise(params, pool);
}

// A transposed input and an output that is a slice of something wider.
TEST(Pointwise, StridedInputsAndOutputs) {
  for (Isa isa : isas_here()) {
    for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{37, 53}, {40, 5}, {3, 300}}) {
      PointwiseTape tape;
      tape.inputs.resize(2);
      tape.instructions = {{.op = op("Sub"), .a = 0, .b = 1}};
      tape.outputs = {{.value = 2}, {.value = 0}};
      const PointwiseProgram program(tape, isa);
      Guarded<float> a(rows * cols), b(rows * cols), out(rows * (cols + 3) - 3), copy(rows * cols);
      Random random(3);
      for (float& x : a) x = random.real();
      for (float& x : b) x = random.real();
      std::fill(out.begin(), out.end(), 9.0f);
      PointwiseParams params;
      params.program = &program;
      params.rank = 2;
      params.dims[0] = rows;
      params.dims[1] = cols;
      params.inputs[0] = {a.data(), {1, rows}};
      params.inputs[1] = {b.data(), {cols, 1}};
      params.outputs[0] = {out.data(), {cols + 3, 1}};
      params.outputs[1] = {copy.data(), {1, rows}};
      ThreadPool pool(2);
      run_pointwise(params, pool);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < cols; ++c) {
          ASSERT_EQ(out[r * (cols + 3) + c], a[c * rows + r] - b[r * cols + c]);
          ASSERT_EQ(copy[c * rows + r], a[c * rows + r]);
        }
        for (int64_t c = cols; r + 1 < rows && c < cols + 3; ++c) {
          ASSERT_EQ(out[r * (cols + 3) + c], 9.0f) << "wrote between the rows";
        }
      }
    }
  }
}

TEST(Pointwise, OutputMayLieOnAnInput) {
  for (Isa isa : isas_here()) {
    PointwiseTape tape;
    tape.inputs.resize(2);
    tape.constants = {{.f32 = 2}};
    // out = (a * 2 + b) - a; the other output is b + b.
    tape.instructions = {{.op = op("Mul"), .a = 0, .b = 2},
                         {.op = op("Add"), .a = 1, .b = 1},
                         {.op = op("Add"), .a = 3, .b = 1},
                         {.op = op("Sub"), .a = 5, .b = 0}};
    tape.outputs = {{.value = 6}, {.value = 4}};
    const PointwiseProgram program(tape, isa);
    const int64_t n = 10007;
    std::vector<float> a(n), b(n);
    for (int64_t i = 0; i < n; ++i) {
      a[i] = static_cast<float>(i);
      b[i] = static_cast<float>(i % 7);
    }
    PointwiseParams params;
    params.program = &program;
    params.rank = 1;
    params.dims[0] = n;
    params.inputs[0] = {a.data(), {1}};
    params.inputs[1] = {b.data(), {1}};
    params.outputs[0] = {a.data(), {1}};
    params.outputs[1] = {b.data(), {1}};
    ThreadPool pool(2);
    run_pointwise(params, pool);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(a[i], static_cast<float>(i) + static_cast<float>(i % 7));
      ASSERT_EQ(b[i], static_cast<float>(2 * (i % 7)));
    }
  }
}

TEST(Pointwise, TileAsAnEpilogue) {
  // relu(c * scale[col] + bias[row]) + residual, on a tile inside a wider matrix.
  PointwiseTape tape;
  tape.inputs.resize(4);
  tape.instructions = {{.op = op("Mul"), .a = 0, .b = 1},
                       {.op = op("Add"), .a = 4, .b = 2},
                       {.op = op("Relu"), .a = 5},
                       {.op = op("Add"), .a = 6, .b = 3}};
  tape.outputs = {{.value = 7}};
  for (Isa isa : isas_here()) {
    const PointwiseProgram program(tape, isa);
    for (const auto& [rows, cols] :
         {std::pair<int64_t, int64_t>{6, 16}, {1, 1}, {14, 3}, {65, 48}, {3, 2500}}) {
      const int64_t ld = cols + 5;
      Guarded<float> c(rows * ld - 5), residual(rows * cols), scale(cols), bias(rows);
      Random random(11);
      for (auto* buffer : {&c, &residual, &scale, &bias}) {
        for (float& x : *buffer) x = random.real();
      }
      const std::vector<float> before(c.begin(), c.end());
      const TileView inputs[] = {
          {c.data(), ld, 1}, {scale.data(), 0, 1}, {bias.data(), 1, 0}, {residual.data(), cols, 1}};
      const TileView outputs[] = {{c.data(), ld, 1}};
      run_pointwise_tile(program, inputs, outputs, rows, cols);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < cols; ++k) {
          const float want =
              std::max(0.0f, before[r * ld + k] * scale[k] + bias[r]) + residual[r * cols + k];
          ASSERT_NEAR(c[r * ld + k], want, 1e-6f) << isa_name(isa) << " " << rows << "x" << cols;
        }
        for (int64_t k = cols; r + 1 < rows && k < ld; ++k) {
          ASSERT_EQ(c[r * ld + k], before[r * ld + k]);
        }
      }
    }
  }
}

TEST(Pointwise, ComparisonsMasksAndWhere) {
  // where(a > b, a, -1), and the mask itself as bool.
  PointwiseTape tape;
  tape.inputs.resize(2);
  tape.constants = {{.f32 = -1}};
  tape.instructions = {{.op = op("Greater"), .a = 0, .b = 1},
                       {.op = op("Where"), .a = 3, .b = 0, .c = 2}};
  tape.outputs = {{.value = 4}, {.value = 3, .dtype = DType::kBool}};
  for (Isa isa : isas_here()) {
    const PointwiseProgram program(tape, isa);
    const int64_t n = 333;
    Guarded<float> a(n), b(n), out(n);
    Guarded<uint8_t> mask(n);
    Random random(5);
    for (float& x : a) x = random.real();
    for (float& x : b) x = random.real();
    b[5] = std::nanf("");
    PointwiseParams params;
    params.program = &program;
    params.rank = 1;
    params.dims[0] = n;
    params.inputs[0] = {a.data(), {1}};
    params.inputs[1] = {b.data(), {1}};
    params.outputs[0] = {out.data(), {1}};
    params.outputs[1] = {mask.data(), {1}};
    ThreadPool pool(1);
    run_pointwise(params, pool);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(mask[i], a[i] > b[i] ? 1 : 0);
      ASSERT_EQ(out[i], a[i] > b[i] ? a[i] : -1.0f);
    }
  }
}

template <class T>
DType dtype_of() {
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kU8;
  if constexpr (std::is_same_v<T, int8_t>) return DType::kI8;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kI32;
  if constexpr (std::is_same_v<T, uint32_t>) return DType::kU32;
  return DType::kI64;
}

// (a + b) / c with every intermediate result cut down to the type.
template <class T>
void check_integers(Isa isa) {
  PointwiseTape tape;
  for (int i = 0; i < 3; ++i) tape.inputs.push_back({dtype_of<T>(), TapeDomain::kI64});
  tape.instructions = {
      {.op = op("Add"), .domain = TapeDomain::kI64, .a = 0, .b = 1, .wrap = dtype_of<T>()},
      {.op = op("Div"), .domain = TapeDomain::kI64, .a = 3, .b = 2, .wrap = dtype_of<T>()}};
  tape.outputs = {{.value = 4, .dtype = dtype_of<T>()}};
  const PointwiseProgram program(tape, isa);
  const std::vector<int64_t> dims = {11, 9};
  Guarded<T> a(99), b(9), c(99), out(99);
  Random random(13);
  for (T& x : a) x = static_cast<T>(random.next());
  for (T& x : b) x = static_cast<T>(random.next());
  for (T& x : c) x = static_cast<T>(random.below(5) - 1);
  PointwiseParams params;
  params.program = &program;
  params.rank = 2;
  params.dims[0] = 11;
  params.dims[1] = 9;
  params.inputs[0] = {a.data(), {9, 1}};
  params.inputs[1] = {b.data(), {0, 1}};
  params.inputs[2] = {c.data(), {9, 1}};
  params.outputs[0] = {out.data(), {9, 1}};
  ThreadPool pool(1);
  run_pointwise(params, pool);
  for (int64_t i = 0; i < 99; ++i) {
    const T sum = static_cast<T>(static_cast<uint64_t>(a[i]) + static_cast<uint64_t>(b[i % 9]));
    const T want = c[i] == 0 ? T(0)
                             : static_cast<T>(c[i] == static_cast<T>(-1) && std::is_signed_v<T>
                                                  ? -static_cast<uint64_t>(sum)
                                                  : static_cast<uint64_t>(sum / c[i]));
    ASSERT_EQ(out[i], want) << isa_name(isa) << " " << dtype_name(dtype_of<T>());
  }
}

TEST(Pointwise, IntegersWrapAndDivideTowardsZero) {
  for (Isa isa : isas_here()) {
    check_integers<uint8_t>(isa);
    check_integers<int8_t>(isa);
    check_integers<int32_t>(isa);
    check_integers<uint32_t>(isa);
    check_integers<int64_t>(isa);
  }
}

TEST(Pointwise, ConversionsBetweenDomainsAndTypes) {
  // i32 -> f32 * 0.5 -> i64 towards zero -> u8; and the product as f16 and bf16.
  PointwiseTape tape;
  tape.inputs = {{DType::kI32, TapeDomain::kI64}};
  tape.constants = {{.f32 = 0.5f}};
  tape.instructions = {{.op = kTapeToF32, .domain = TapeDomain::kI64, .a = 0},
                       {.op = op("Mul"), .a = 2, .b = 1},
                       {.op = kTapeToI64, .a = 3}};
  tape.outputs = {{.value = 4, .dtype = DType::kU8},
                  {.value = 3, .dtype = DType::kF16},
                  {.value = 3, .dtype = DType::kBF16},
                  {.value = 0, .dtype = DType::kBool}};
  for (Isa isa : isas_here()) {
    const PointwiseProgram program(tape, isa);
    const int64_t n = 101;
    Guarded<int32_t> in(n);
    Guarded<uint8_t> bytes(n), truths(n);
    Guarded<uint16_t> half(n), brain(n);
    for (int64_t i = 0; i < n; ++i) in[i] = static_cast<int32_t>(i * 7 - 350);
    PointwiseParams params;
    params.program = &program;
    params.rank = 1;
    params.dims[0] = n;
    params.inputs[0] = {in.data(), {1}};
    params.outputs[0] = {bytes.data(), {1}};
    params.outputs[1] = {half.data(), {1}};
    params.outputs[2] = {brain.data(), {1}};
    params.outputs[3] = {truths.data(), {1}};
    ThreadPool pool(1);
    run_pointwise(params, pool);
    for (int64_t i = 0; i < n; ++i) {
      const float product = static_cast<float>(in[i]) * 0.5f;
      EXPECT_EQ(bytes[i], static_cast<uint8_t>(in[i] / 2));
      EXPECT_EQ(static_cast<float>(__builtin_bit_cast(_Float16, half[i])), product);
      const float wide = __builtin_bit_cast(float, static_cast<uint32_t>(brain[i]) << 16);
      EXPECT_NEAR(wide, product, std::fabs(product) / 256);
      EXPECT_EQ(truths[i], in[i] != 0 ? 1 : 0);
    }
  }
}

TEST(Pointwise, NanRules) {
  struct Rule {
    const char* op;
    float a, b, want;
  };
  const float nan = std::nanf("");
  const Rule rules[] = {{"Max", nan, 1, nan},   {"Max", 1, nan, nan},
                        {"Min", nan, 1, nan},   {"Min", 1, nan, nan},
                        {"Greater", nan, 1, 0}, {"Less", nan, 1, 0},
                        {"Equal", nan, nan, 0}, {"GreaterOrEqual", nan, 1, 0},
                        {"PRelu", nan, 2, nan}, {"Add", nan, 1, nan},
                        {"Max", -1, 2, 2},      {"Min", -1, 2, -1},
                        {"PRelu", -2, 3, -6}};
  for (Isa isa : isas_here()) {
    for (const Rule& rule : rules) {
      float got = 5;
      TapeLoop loop{};
      loop.dst = &got;
      loop.src[0] = &rule.a;
      loop.src[1] = &rule.b;
      loop.steps[0] = loop.steps[1] = true;
      loop.rows = loop.cols = 1;
      pointwise_table(isa).f32[op(rule.op)](loop);
      EXPECT_TRUE(got == rule.want || (std::isnan(got) && std::isnan(rule.want)))
          << isa_name(isa) << " " << rule.op << "(" << rule.a << ", " << rule.b << ") = " << got;
    }
  }
}

TEST(Pointwise, RefusesTapesThatAreNotWellFormed) {
  const auto code = [](const PointwiseTape& tape) {
    try {
      PointwiseProgram program(tape);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kOk;
  };
  PointwiseTape good;
  good.inputs.resize(2);
  good.instructions = {{.op = op("Add"), .a = 0, .b = 1}};
  good.outputs = {{.value = 2}};
  EXPECT_EQ(code(good), ErrorCode::kOk);
  const auto bad = [&](auto change) {
    PointwiseTape tape = good;
    change(tape);
    return code(tape);
  };
  const ErrorCode invalid = ErrorCode::kInvalidPlan;
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].op = -1; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].op = kTapeOpCount; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].b = 2; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].a = -1; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].op = op("BitwiseAnd"); }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].domain = TapeDomain::kI64; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].wrap = DType::kI8; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.instructions[0].domain = static_cast<TapeDomain>(9); }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.outputs[0].value = 3; }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.outputs.clear(); }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.inputs.resize(17); }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.inputs[0].dtype = static_cast<DType>(200); }), invalid);
  EXPECT_EQ(bad([](auto& t) { t.inputs[0].dtype = DType::kString; }), ErrorCode::kUnsupported);
  EXPECT_EQ(bad([](auto& t) { t.outputs[0].dtype = DType::kC64; }), ErrorCode::kUnsupported);
}

// A tape with the most inputs and many live values still fits its registers.
TEST(Pointwise, WideTapes) {
  PointwiseTape tape;
  tape.inputs.resize(16);
  for (int i = 0; i < 16; ++i) tape.instructions.push_back({.op = op("Abs"), .a = i});
  for (int i = 0; i < 15; ++i) {
    tape.instructions.push_back({.op = op("Add"), .a = i == 0 ? 16 : 31 + i, .b = 17 + i});
  }
  tape.outputs = {{.value = 46}};
  const PointwiseProgram program(tape);
  Guarded<float> in(16 * 700), out(700);
  for (size_t i = 0; i < in.size(); ++i) in[i] = -static_cast<float>(i % 13);
  PointwiseParams params;
  params.program = &program;
  params.rank = 1;
  params.dims[0] = 700;
  for (int i = 0; i < 16; ++i) params.inputs[i] = {in.data() + i, {16}};
  params.outputs[0] = {out.data(), {1}};
  ThreadPool pool(1);
  run_pointwise(params, pool);
  for (int64_t i = 0; i < 700; ++i) {
    float want = 0;
    for (int k = 0; k < 16; ++k) want += static_cast<float>((i * 16 + k) % 13);
    ASSERT_EQ(out[i], want);
  }
}

}  // namespace
}  // namespace planish::cpu
