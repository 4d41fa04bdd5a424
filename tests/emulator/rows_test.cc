// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/row_norm.cuh"
#include "backend/cuda/kernels/softmax.cuh"
#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<double> softmax(const std::vector<double>& x, size_t columns, bool log) {
  std::vector<double> y(x.size());
  for (size_t first = 0; first < x.size(); first += columns) {
    const double largest = *std::max_element(x.begin() + first, x.begin() + first + columns);
    double sum = 0;
    for (size_t i = 0; i < columns; ++i) sum += std::exp(x[first + i] - largest);
    for (size_t i = first; i < first + columns; ++i) {
      y[i] = log ? x[i] - largest - std::log(sum) : std::exp(x[i] - largest) / sum;
    }
  }
  return y;
}

template <class T>
void run_softmax(const char* entry, size_t rows, size_t columns, int rows_a_block, int warps,
                 bool log, bool adds, double tolerance) {
  KernelCase c("rows");
  auto x = random_values<T>(rows * columns, 1, -8, 8);
  if (columns > 1) x[0] = -kInf;
  auto y = softmax(x, columns, log);
  SoftmaxParams p{};
  if (adds) {
    const auto more = random_values<f16>(x.size(), 2);
    for (size_t i = 0; i < y.size(); ++i) y[i] += more[i];
    p.tail[0] = {c.input<f16>(more), 0, static_cast<i64>(columns), 1};
  }
  p.x = c.input<T>(x);
  p.y = c.output<T>(y, tolerance);
  p.rows = static_cast<i64>(rows);
  p.x_row = p.y_row = p.columns = static_cast<i32>(columns);
  Shape s;
  s.grid[0] = static_cast<uint32_t>((rows + rows_a_block - 1) / rows_a_block);
  s.threads = 128;
  s.shared_bytes = static_cast<uint32_t>(rows_shared_bytes(warps));
  c.run(entry, s, p);
}

TEST(RowKernel, Softmax) {
  for (const size_t columns : {8, 200, 512})
    run_softmax<f16>("warp_rows", 5, columns, 4, 1, false, false, 1e-3);
  for (const size_t columns : {1, 37, 384})
    run_softmax<f32>("block_rows", 3, columns, 1, 4, true, false, 1e-5);
  for (const size_t columns : {1, 37, 1000})
    run_softmax<f32>("streamed_rows", 3, columns, 1, 4, false, true, 1e-5);
}

TEST(RowKernel, SoftmaxOfNothingButMinusInfinityIsNan) {
  KernelCase c("rows");
  SoftmaxParams p{};
  p.x = c.input<f16>(std::vector<double>(8, -kInf));
  p.y = c.output<f16>(std::vector<double>(8, std::nan("")), 0);
  p.rows = 1;
  p.x_row = p.y_row = p.columns = 8;
  c.run("warp_rows", {.threads = 128}, p);
}

// Normalised rows of x, each with its scale and bias.
std::vector<double> normalise(const std::vector<double>& x, size_t columns, bool centred,
                              const std::vector<double>& scale, const std::vector<double>& bias) {
  std::vector<double> y(x.size());
  for (size_t first = 0; first < x.size(); first += columns) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < columns && centred; ++i) mean += x[first + i] / columns;
    for (size_t i = 0; i < columns; ++i) squares += std::pow(x[first + i] - mean, 2) / columns;
    for (size_t i = 0; i < columns; ++i) {
      y[first + i] =
          (x[first + i] - mean) / std::sqrt(squares + 1e-3) * scale[first + i] + bias[first + i];
    }
  }
  return y;
}
std::vector<double> repeated(const std::vector<double>& x, size_t rows) {
  std::vector<double> y;
  for (size_t r = 0; r < rows; ++r) y.insert(y.end(), x.begin(), x.end());
  return y;
}

RowNormParams plain(size_t rows, size_t columns) {
  RowNormParams p{};
  p.rows = static_cast<i64>(rows);
  p.x_row = p.y_row = p.columns = static_cast<i32>(columns);
  p.groups = p.run = 1;
  p.epsilon = 1e-3f;
  return p;
}

TEST(RowKernel, LayerNormOfASum) {
  for (const size_t columns : {8, 264, 512}) {
    const size_t rows = 6;
    KernelCase c("rows");
    const auto x = random_values<f16>(rows * columns, 1, 2, 4);
    const auto more = random_values<f16>(rows * columns, 2);
    const auto scale = random_values<f32>(columns, 3);
    const auto bias = random_values<f32>(columns, 4);
    std::vector<double> sum(x.size());
    for (size_t i = 0; i < x.size(); ++i) sum[i] = x[i] + more[i];
    RowNormParams p = plain(rows, columns);
    p.x = c.input<f16>(x);
    p.residual = c.input<f16>(more);
    p.scale = c.constant<f32>(scale);
    p.bias = c.constant<f32>(bias);
    p.sum = c.output<f16>(sum, 1e-3);
    p.y = c.output<f16>(normalise(sum, columns, true, repeated(scale, rows), repeated(bias, rows)),
                        1e-3);
    std::vector<double> mean(rows, 0);
    for (size_t i = 0; i < x.size(); ++i) mean[i / columns] += sum[i] / columns;
    p.mean = c.output<f32>(mean, 1e-5);
    c.run("layer_norm", {.grid = {2, 1, 1}, .threads = 128}, p);
  }
}

TEST(RowKernel, RmsNormWithTail) {
  for (const size_t columns : {4, 300, 512}) {
    const size_t rows = 3;
    KernelCase c("rows");
    const auto x = random_values<f32>(rows * columns, 1, 2, 4);
    const auto scale = random_values<f32>(columns, 3);
    const auto more = random_values<f16>(rows * columns, 2);
    auto y = normalise(x, columns, false, repeated(scale, rows), std::vector<double>(x.size()));
    for (size_t i = 0; i < y.size(); ++i) y[i] += more[i];
    RowNormParams p = plain(rows, columns);
    p.x = c.input<f32>(x);
    p.scale = c.constant<f32>(scale);
    p.y = c.output<f32>(y, 1e-5);
    p.tail[0] = {c.input<f16>(more), 0, p.columns, 1};
    c.run("rms_norm",
          {.grid = {3, 1, 1},
           .threads = 128,
           .shared_bytes = static_cast<uint32_t>(rows_shared_bytes(4))},
          p);
  }
}

TEST(RowKernel, GroupNorm) {
  const int images = 2, groups = 3, channels = 4, plane = 15;  // channels of a group
  const size_t columns = channels * plane;
  const auto x = random_values<f16>(images * groups * columns, 1, 0, 2);
  const auto scale = random_values<f32>(groups * channels, 3);
  const auto bias = random_values<f32>(groups * channels, 4);
  std::vector<double> wide_scale, wide_bias;
  for (size_t i = 0; i < x.size(); ++i) {
    wide_scale.push_back(scale[i / plane % (groups * channels)]);
    wide_bias.push_back(bias[i / plane % (groups * channels)]);
  }
  const auto y = normalise(x, columns, true, wide_scale, wide_bias);
  const Shape shape{.grid = {images * groups, 1, 1}, .threads = 64, .shared_bytes = 64};
  RowNormParams p = plain(images * groups, columns);
  p.groups = groups;
  {
    KernelCase c("rows");
    p.run = plane;
    p.x = c.input<f16>(x);
    p.scale = c.constant<f32>(scale);
    p.bias = c.constant<f32>(bias);
    p.y = c.output<f16>(y, 1e-3);
    c.run("group_norm_planes", shape, p);
  }
  const auto last = [&](const std::vector<double>& v) {  // channels last
    std::vector<double> out(v.size());
    const size_t all = groups * channels;
    for (size_t i = 0; i < v.size(); ++i) {
      out[(i / (all * plane) * plane + i % plane) * all + i / plane % all] = v[i];
    }
    return out;
  };
  KernelCase c("rows");
  p.run = channels;
  p.pitch = groups * channels;
  p.x_group = channels;
  p.x_row = groups * channels * plane;
  p.x = c.input<f16>(last(x));
  p.scale = c.constant<f32>(scale);
  p.bias = c.constant<f32>(bias);
  p.y = c.output<f16>(last(y), 1e-3);
  c.run("group_norm_pixels", shape, p);
}

}  // namespace
}  // namespace planish::emulator
