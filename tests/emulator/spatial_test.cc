// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/pool.cuh"
#include "backend/cuda/kernels/transpose.cuh"
#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

template <class T, class Out>
void exchange(const char* entry, i64 a, i64 b, i64 rows, i64 columns, double high) {
  // x[a, b, row, column] -> y[b, a, column, row]
  KernelCase c("spatial");
  const auto x = random_values<T>(a * b * rows * columns, 1, 0, high);
  std::vector<double> y(x.size());
  for (i64 i = 0; i < a; ++i)
    for (i64 j = 0; j < b; ++j)
      for (i64 r = 0; r < rows; ++r)
        for (i64 k = 0; k < columns; ++k) {
          y[((j * a + i) * columns + k) * rows + r] = x[((i * b + j) * rows + r) * columns + k];
        }
  TransposeParams p{};
  p.x = c.input<T>(x);
  p.y = c.output<Out>(y, 1e-3);
  p.x_row = columns, p.y_row = rows;
  p.batch_dims[0] = a, p.batch_dims[1] = b;
  p.batch_x[0] = b * rows * columns, p.batch_x[1] = rows * columns;
  p.batch_y[0] = rows * columns, p.batch_y[1] = a * rows * columns;
  p.batches = a * b;
  p.rows = static_cast<i32>(rows), p.columns = static_cast<i32>(columns);
  Shape s{.threads = 256, .shared_bytes = 32 * 33 * sizeof(T)};
  s.grid[0] = static_cast<uint32_t>(ceil_div(columns, i64{32}) * ceil_div(rows, i64{32}));
  s.grid[2] = 2;
  c.run(entry, s, p);
}

TEST(SpatialKernel, ExchangesAxes) {
  exchange<f32, f16>("exchange", 1, 2, 1, 1, 1);
  exchange<f32, f16>("exchange", 2, 3, 33, 70, 1);
  exchange<u8, u8>("exchange_bytes", 1, 3, 5, 97, 255);
}

TEST(SpatialKernel, FewChannelsToPixelsAndBack) {
  const i64 images = 3, channels = 3, pixels = 300;
  const auto planes = random_values<f16>(images * channels * pixels, 1);
  std::vector<double> packed;
  for (i64 i = 0; i < images; ++i)
    for (i64 p = 0; p < pixels; ++p)
      for (i64 k = 0; k < 4; ++k)
        packed.push_back(k < 3 ? planes[(i * channels + k) * pixels + p] : 0);
  TransposeParams p{};
  p.batch_dims[0] = p.batches = images;
  p.rows = channels, p.columns = pixels;
  const Shape s{.grid = {2, 1, 2}, .threads = 256};
  {
    KernelCase c("spatial");
    p.x_row = pixels, p.y_row = 4, p.batch_x[0] = channels * pixels, p.batch_y[0] = 4 * pixels;
    p.x = c.input<f32>(planes);
    p.y = c.output<f16>(packed, 0);
    c.run("interleave", s, p);
  }
  KernelCase c("spatial");
  p.x_row = 4, p.y_row = pixels, p.batch_x[0] = 4 * pixels, p.batch_y[0] = channels * pixels;
  p.x = c.input<f16>(packed);
  p.y = c.output<f32>(planes, 0);
  c.run("deinterleave", s, p);
}

struct Pooling {
  int images, channels;
  int size[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3], out[3];
};

// kind as in pool.cuh; x(image, channel, position).
template <class X>
double pooled(const Pooling& q, int kind, int image, int channel, int o, X x) {
  const int at[3] = {o / (q.out[1] * q.out[2]), o / q.out[2] % q.out[1], o % q.out[2]};
  double sum = 0, top = -HUGE_VAL;
  int inside = 0, padded = 0;
  for (int t = 0; t < q.kernel[0] * q.kernel[1] * q.kernel[2]; ++t) {
    const int tap[3] = {t / (q.kernel[1] * q.kernel[2]), t / q.kernel[2] % q.kernel[1],
                        t % q.kernel[2]};
    int pos[3];
    bool in = true, near = true;
    for (int i = 0; i < 3; ++i) {
      pos[i] = at[i] * q.stride[i] - q.pad[i] + tap[i] * q.dilation[i];
      in = in && pos[i] >= 0 && pos[i] < q.size[i];
      near = near && pos[i] < q.size[i] + q.pad_end[i];
    }
    padded += near;
    if (!in) continue;
    ++inside;
    const double v = x(image, channel, (pos[0] * q.size[1] + pos[1]) * q.size[2] + pos[2]);
    sum += v;
    top = std::isnan(v) || v > top ? v : top;
  }
  if (kind == kPoolMax) return top;
  const int count = kind == kPoolMean ? inside : padded;
  return count == 0 ? 0 : sum / count;
}

template <class T>
void pool(const char* entry, const Pooling& q, int kind, int vector, bool last, double low,
          double high, double tolerance, bool with_nan = false) {
  KernelCase c("spatial");
  const int pixels = q.size[0] * q.size[1] * q.size[2], outs = q.out[0] * q.out[1] * q.out[2];
  auto x = random_values<T>(
      static_cast<size_t>(q.images) * static_cast<size_t>(q.channels * pixels), 1, low, high);
  if (with_nan) x[5] = std::nan("");
  std::vector<double> y(static_cast<size_t>(q.images * q.channels * outs));
  for (int i = 0; i < q.images; ++i)
    for (int ch = 0; ch < q.channels; ++ch)
      for (int o = 0; o < outs; ++o) {
        y[last ? (i * outs + o) * q.channels + ch : (i * q.channels + ch) * outs + o] =
            pooled(q, kind, i, ch, o, [&](int image, int channel, int at) {
              return x[last ? (image * pixels + at) * q.channels + channel
                            : (image * q.channels + channel) * pixels + at];
            });
      }
  PoolParams p{};
  p.x = c.input<T>(x);
  p.y = c.output<T>(y, tolerance);
  const i64 step = last ? q.channels : 1;
  p.x_image = q.channels * pixels, p.y_image = q.channels * outs;
  p.x_channel = last ? 1 : pixels, p.y_channel = last ? 1 : outs;
  p.y_pixel = step;
  p.x_axis[0] = q.size[1] * q.size[2] * step, p.x_axis[1] = q.size[2] * step, p.x_axis[2] = step;
  p.images = q.images, p.channels = q.channels;
  std::copy_n(q.size, 3, p.size), std::copy_n(q.out, 3, p.out), std::copy_n(q.kernel, 3, p.kernel);
  std::copy_n(q.stride, 3, p.stride), std::copy_n(q.dilation, 3, p.dilation);
  std::copy_n(q.pad, 3, p.pad), std::copy_n(q.pad_end, 3, p.pad_end);
  Shape s{.threads = 256};
  p.items = outs * ceil_div(q.channels, vector);
  s.grid[0] = static_cast<uint32_t>(ceil_div(p.items, 256));
  c.run(entry, s, p);
}

TEST(SpatialKernel, Pools) {
  const Pooling flat{2,         8,         {1, 7, 6}, {1, 3, 3}, {1, 2, 2},
                     {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, {1, 4, 3}};
  pool<f16>("max_pool", flat, kPoolMax, 4, true, -9, -1, 0, true);
  pool<f32>("mean_pool", flat, kPoolMean, 1, false, -1, 1, 1e-6);
  pool<f32>("mean_pool_padded", flat, kPoolMeanPadded, 1, false, -1, 1, 1e-6);
  pool<i8>("max_pool_bytes", flat, kPoolMax, 1, false, -100, -1, 0);
  const Pooling deep{1,         3,         {4, 5, 5}, {2, 2, 3}, {1, 2, 1},
                     {2, 1, 2}, {1, 0, 2}, {0, 1, 2}, {3, 3, 5}};
  pool<f32>("mean_pool", deep, kPoolMean, 1, false, -1, 1, 1e-6);
  // Windows that reach beyond the padding behind, as rounding up gives.
  const Pooling up{1,         1,         {1, 1, 6}, {1, 1, 3}, {1, 1, 3},
                   {1, 1, 1}, {0, 0, 1}, {0, 0, 0}, {1, 1, 3}};
  pool<f32>("mean_pool_padded", up, kPoolMeanPadded, 1, false, -1, 1, 1e-6);
}

}  // namespace
}  // namespace planish::emulator
