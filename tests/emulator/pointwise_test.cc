// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/pointwise.cuh"

#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

uint32_t blocks(i64 size, int vector, int unroll) {
  return static_cast<uint32_t>(pointwise_blocks(size, 128, vector, unroll));
}

TEST(PointwiseKernel, VectorsWithScalarOperandAndTail) {
  for (const size_t size : {size_t{1}, size_t{7}, size_t{8}, size_t{1024}, size_t{4099}}) {
    KernelCase c("pointwise");
    const auto a = random_values<f16>(size, 1);
    std::vector<double> expected(size);
    for (size_t i = 0; i < size; ++i) expected[i] = std::fmax(0, (a[i] + 0.25) * 2);
    PointwiseParams<3, 1> p{};
    p.size = static_cast<i64>(size);
    p.address[1] = c.input<f16>(a);
    p.address[2] = c.input<f32>({0.25});
    p.address[0] = c.output<f16>(expected, 1e-3);
    p.strides[0][0] = p.strides[1][0] = 1;
    c.run("half", {.grid = {blocks(p.size, 8, 2), 1, 1}, .threads = 128}, p);
  }
}

TEST(PointwiseKernel, BroadcastOverOuterAxes) {
  const i64 n = 3, h = 5, w = 12;
  KernelCase c("pointwise");
  const auto a = random_values<f16>(n * h * w, 1);
  const auto b = random_values<f32>(n * w, 2);
  std::vector<double> expected;
  for (i64 i = 0; i < n * h * w; ++i) {
    expected.push_back(std::fmax(0, (a[i] + b[i / (h * w) * w + i % w]) * 2));
  }
  PointwiseParams<3, 3> p{};
  p.size = n * h * w;
  const i64 dims[3] = {n, h, w};
  const i64 strides[3][3] = {{h * w, w, 1}, {h * w, w, 1}, {w, 0, 1}};
  std::memcpy(p.dims, dims, sizeof(dims));
  std::memcpy(p.strides, strides, sizeof(strides));
  p.address[1] = c.input<f16>(a);
  p.address[2] = c.input<f32>(b);
  p.address[0] = c.output<f16>(expected, 1e-3);
  c.run("half_broadcast", {.grid = {blocks(p.size, 4, 1), 1, 1}, .threads = 128}, p);
}

// y[:, 1:4] = x transposed over the last two axes and reversed over the first.
template <class T>
void strided_copy(const char* entry) {
  const i64 d0 = 3, d1 = 2, d2 = 5, d3 = 7;
  KernelCase c("pointwise");
  const auto x = random_values<T>(d0 * d1 * d3 * d2, 3, 0, 200);
  const i64 columns = d3 + 2;
  std::vector<double> expected(d0 * d1 * d2 * columns, kUntouched);
  for (i64 i = 0; i < d0; ++i)
    for (i64 j = 0; j < d1; ++j)
      for (i64 k = 0; k < d2; ++k)
        for (i64 l = 0; l < d3; ++l) {
          expected[((i * d1 + j) * d2 + k) * columns + 1 + l] =
              x[(((d0 - 1 - i) * d1 + j) * d3 + l) * d2 + k];
        }
  PointwiseParams<2, 4> p{};
  p.size = d0 * d1 * d2 * d3;
  const i64 dims[4] = {d0, d1, d2, d3};
  const i64 strides[2][4] = {{d1 * d2 * columns, d2 * columns, columns, 1},
                             {-d1 * d3 * d2, d3 * d2, 1, d2}};
  std::memcpy(p.dims, dims, sizeof(dims));
  std::memcpy(p.strides, strides, sizeof(strides));
  p.address[0] = c.output<T>(expected, 0) + sizeof(T);
  p.address[1] = c.input<T>(x) + static_cast<u64>((d0 - 1) * d1 * d3 * d2) * sizeof(T);
  c.run(entry, {.grid = {blocks(p.size, 1, 1), 1, 1}, .threads = 128}, p);
}

TEST(PointwiseKernel, StridedCopyOfAnyWidth) {
  strided_copy<u8>("copy_u8");
  strided_copy<f64>("copy_f64");
}

TEST(PointwiseKernel, IntegersWithTwoOutputs) {
  KernelCase c("pointwise");
  const std::vector<double> a = {7, -7, 5, 0, -2147483648.0, 3};
  const std::vector<double> b = {2, 2, 0, 3, -1, -3};
  PointwiseParams<4, 1> p{};
  p.size = 6;
  p.address[2] = c.input<i32>(a);
  p.address[3] = c.input<i32>(b);
  p.address[0] = c.output<i32>({3, -3, 0, 0, -2147483648.0, -1}, 0);
  p.address[1] = c.output<boolean>({0, 1, 0, 1, 1, 0}, 0);
  for (auto& stride : p.strides) stride[0] = 1;
  c.run("integers", {.grid = {1, 1, 1}, .threads = 128}, p);
}

TEST(PointwiseKernel, FaultsAreTyped) {
  KernelCase c("pointwise");
  if (c.is_on_device()) GTEST_SKIP() << "faults end a device's context";
  PointwiseParams<3, 1> p{};
  p.size = 64;
  p.address[0] = c.scratch(128);
  p.address[1] = c.input<f16>(std::vector<double>(63));
  p.address[2] = c.input<f32>({1});
  p.strides[0][0] = p.strides[1][0] = 1;
  const Outcome past = c.once("half", {.threads = 128}, p, 1, false);
  EXPECT_EQ(past.fault, Fault::kOutOfBounds) << past.message;
  p.address[1] = c.input<f16>(std::vector<double>(64), 2);
  EXPECT_EQ(c.once("half", {.threads = 128}, p, 1, false).fault, Fault::kMisaligned);
  EXPECT_EQ(c.once("nothing", {.threads = 128}, p, 1, false).fault, Fault::kBadLaunch);
  EXPECT_EQ(c.once("half", {.threads = 2000}, p, 1, false).fault, Fault::kBadLaunch);
}

}  // namespace
}  // namespace planish::emulator
