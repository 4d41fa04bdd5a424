// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "backend/cuda/kernels/fill.cuh"
#include "backend/cuda/kernels/gather.cuh"
#include "backend/cuda/kernels/resize.cuh"
#include "backend/cuda/kernels/scan.cuh"
#include "backend/cuda/kernels/scatter.cuh"
#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

Shape threads_for(i64 items) {
  return {.grid = {static_cast<uint32_t>(ceil_div(items, i64{64})), 1, 1}, .threads = 64};
}
std::vector<double> counted(size_t n) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), 0);
  return x;
}

TEST(IndexKernel, GatherAlongAxis) {
  const i64 outer = 3, axis = 5, inner = 6;
  const auto x = counted(outer * axis * inner);
  const std::vector<double> index = {4, -1, 0, 2, -5, 2, 3};
  std::vector<double> y;
  for (i64 o = 0; o < outer; ++o)
    for (const double i : index)
      for (i64 c = 0; c < inner; ++c) {
        y.push_back(x[(o * axis + static_cast<i64>(i < 0 ? i + axis : i)) * inner + c]);
      }
  KernelCase c("index");
  GatherParams p{};
  p.x = c.input<u16>(x);
  p.index = c.input<i64>(index);
  p.y = c.output<u16>(y, 0);
  p.fault = c.counters(1);  // stays 0
  p.outer = outer, p.count = 7, p.inner = inner, p.axis = axis, p.x_outer = axis * inner;
  c.run("gather", threads_for(y.size() / 2), p);
}

TEST(IndexKernel, FaultyIndexIsClampedAndTold) {
  KernelCase c("index");
  GatherParams p{};
  p.x = c.input<u16>(counted(8));
  p.index = c.input<i64>({4, -99, 1});
  p.y = c.output<u16>({6, 7, 0, 1, 2, 3}, 0);
  p.fault = c.output<i32>({7}, 0, 0, true), p.site = 7;
  p.outer = 1, p.count = 3, p.inner = 2, p.axis = 4, p.x_outer = 8;
  c.run("gather", threads_for(3), p);
}

TEST(IndexKernel, GatherElementsAndTuples) {
  {
    KernelCase c("index");
    const i64 in[3] = {3, 4, 5}, dims[3] = {2, 6, 4};  // along axis 1
    const auto x = counted(60);
    std::vector<double> index, y;
    std::mt19937 engine(1);
    for (i64 i = 0; i < 48; ++i) {
      const i64 at = static_cast<i64>(engine() % 8) - 4;
      index.push_back(static_cast<double>(at));
      const i64 a = i / 24, e = i % 4;
      y.push_back(x[(a * in[1] + (at < 0 ? at + in[1] : at)) * in[2] + e]);
    }
    GatherParams p{};
    p.x = c.input<u32>(x);
    p.index = c.input<i32>(index);
    p.y = c.output<u32>(y, 0);
    p.count = 48, p.axis = in[1], p.x_axis = in[2];
    std::copy_n(dims, 3, p.dims);
    p.strides[0] = in[1] * in[2], p.strides[2] = 1;
    c.run("gather_elements", threads_for(48), p);
  }
  KernelCase c("index");
  GatherParams p{};  // x[2, 3, 4, 2] with a batch axis and tuples of two
  const auto x = counted(48);
  p.x = c.input<u16>(x);
  p.index = c.input<i64>({0, 0, 2, -1, 1, 2, -3, 1});
  p.y = c.output<u16>({x[0], x[1], x[22], x[23], x[24 + 12], x[24 + 13], x[24 + 2], x[24 + 3]}, 0);
  p.outer = 2, p.count = 2, p.inner = 2, p.x_outer = 24;
  p.dims[0] = 3, p.dims[1] = 4, p.strides[0] = 8, p.strides[1] = 2;
  c.run("gather_nd", threads_for(4), p);
}

// y starts as zeros, for KernelCase resets it so.
TEST(IndexKernel, ScatterElementsAddsInOrder) {
  KernelCase c("index");
  const i64 lines = 5, length = 70, axis = 3;  // updates[length, lines] into y[axis, lines]
  const auto updates = random_values<f16>(lines * length, 1, -100, 100);
  std::vector<double> index, y(axis * lines, 0.0);
  std::mt19937 engine(2);
  for (i64 i = 0; i < length * lines; ++i) {
    const i64 at = static_cast<i64>(engine() % 3);
    index.push_back(static_cast<double>(at - (i % 2) * 3));
    double& to = y[at * lines + i % lines];
    to = as_double(from_double<f16>(static_cast<float>(to + updates[i])));  // rounded after each
  }
  ScatterParams p{};
  p.updates = c.input<f16>(updates);
  p.index = c.input<i64>(index);
  p.y = c.output<f16>(y, 0, 0, true);
  p.lines = lines, p.length = length, p.axis = axis, p.y_axis = lines, p.updates_axis = lines;
  p.dims[0] = lines, p.strides[0] = p.updates_strides[0] = 1;
  c.run("scatter_elements_add", threads_for(lines), p);
}

TEST(IndexKernel, ScatterTuples) {
  {
    KernelCase c("index");
    ScatterParams p{};
    p.updates = c.input<f16>({1, 2, 3, 4, 5, 6});
    p.index = c.input<i64>({2, 0, -1});
    p.y = c.output<f16>({3, 4, 0, 0, 6, 8}, 0, 0, true);
    p.length = 3, p.inner = 2, p.dims[0] = 3, p.strides[0] = 2;
    c.run("scatter_nd_add", threads_for(2), p);
  }
  KernelCase c("index");
  const i64 tuples = 100;  // into y[10, 11, 3]
  std::vector<double> index, updates, y(330, 0.0);
  for (i64 i = 0; i < tuples; ++i) {
    index.push_back(static_cast<double>(i % 10));
    const i64 row = i / 10 - 11;
    index.push_back(static_cast<double>(row));
    for (i64 k = 0; k < 3; ++k) {
      updates.push_back(static_cast<double>(i * 3 + k + 1));
      y[(i % 10 * 11 + i / 10) * 3 + k] = updates.back();
    }
  }
  index[1] = 11;  // outside: nothing is written
  for (i64 k = 0; k < 3; ++k) y[k] = 0;
  ScatterParams p{};
  p.updates = c.input<i32>(updates);
  p.index = c.input<i32>(index);
  p.y = c.output<i32>(y, 0, 0, true);
  p.fault = c.output<i32>({7}, 0, 0, true), p.site = 7;
  p.length = tuples, p.inner = 3;
  p.dims[0] = 10, p.dims[1] = 11, p.strides[0] = 33, p.strides[1] = 3;
  c.run("scatter_nd_set", {.grid = {1, 2, 1}, .threads = 64}, p);
}

TEST(IndexKernel, Pads) {
  // Rows -> 2 before, 3 behind; columns -> cropped by 1 before, 6 behind.
  const i64 rows = 3, columns = 4, out_rows = 8, out_columns = 9;
  const auto x = counted(rows * columns);
  const auto wrap = [](i64 i, i64 n, int mode) -> i64 {
    if (i >= 0 && i < n) return i;
    if (mode == kPadValue) return -1;
    if (mode == kPadEdge) return i < 0 ? 0 : n - 1;
    if (mode == kPadWrap) return ((i % n) + n) % n;
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
    return i;
  };
  const char* entries[] = {"pad_value", "pad_edge", "pad_reflect", "pad_wrap"};
  for (int mode = 0; mode < 4; ++mode) {
    KernelCase c("index");
    std::vector<double> y;
    for (i64 r = 0; r < out_rows; ++r)
      for (i64 k = 0; k < out_columns; ++k) {
        const i64 from_row = wrap(r - 2, rows, mode), from = wrap(k + 1, columns, mode);
        y.push_back(from_row < 0 || from < 0 ? 77 : x[from_row * columns + from]);
      }
    PadParams p{};
    p.x = c.input<u16>(x);
    p.y = c.output<u16>(y, 0);
    p.value = c.input<u16>({77});
    p.size = out_rows * out_columns;
    p.out[0] = out_rows, p.out[1] = out_columns, p.in[0] = rows, p.in[1] = columns;
    p.before[0] = 2, p.before[1] = -1, p.strides[0] = columns, p.strides[1] = 1;
    c.run(entries[mode], threads_for(p.size), p);
  }
}

TEST(IndexKernel, TrianglesAndOneHot) {
  {
    KernelCase c("index");
    const auto x = random_values<f32>(2 * 5 * 7, 1);
    auto y = x;
    for (size_t i = 0; i < y.size(); ++i) {
      if (static_cast<int>(i % 7) - static_cast<int>(i / 7 % 5) < -1) y[i] = 0;
    }
    const TriluParams p{c.input<f32>(x), c.output<f32>(y, 0), 70, 5, 7, -1};
    c.run("upper", threads_for(70), p);
  }
  KernelCase c("index");
  const std::vector<double> index = {0, 3, -1, 9, -4, 2};  // [2, 3], depth 4 in between
  std::vector<double> y;
  for (int o = 0; o < 2; ++o)
    for (int d = 0; d < 4; ++d)
      for (int i = 0; i < 3; ++i) {
        const double at = index[o * 3 + i];
        y.push_back((at < 0 ? at + 4 : at) == d ? 5 : -5);
      }
  const OneHotParams p{c.input<i64>(index), c.input<i32>({-5, 5}), c.output<i32>(y, 0), 24, 4, 3};
  c.run("one_hot", threads_for(24), p);
}

TEST(IndexKernel, RunningSums) {
  for (const i64 length : {1, 31, 100}) {
    {
      KernelCase c("index");
      const auto x = random_values<f32>(2 * length * 3, 1);
      auto y = x;
      for (i64 o = 0; o < 2; ++o)
        for (i64 i = 1; i < length; ++i)
          for (i64 k = 0; k < 3; ++k)
            y[(o * length + i) * 3 + k] += y[(o * length + i - 1) * 3 + k];
      const ScanParams p{c.input<f32>(x), c.output<f32>(y, 1e-6), 0, 2, length, 3, 0};
      c.run("sum_lines", threads_for(6), p);
    }
    KernelCase c("index");
    const auto x = random_values<i32>(3 * length, 1, -100, 100);
    std::vector<double> y(x.size(), 0.0);
    for (i64 o = 0; o < 3; ++o)
      for (i64 i = length - 2; i >= 0; --i)
        y[o * length + i] = y[o * length + i + 1] + x[o * length + i + 1];
    const ScanParams p{c.input<i32>(x), c.output<i32>(y, 0), 0, 3, length, 1, 0};
    c.run("sum_reversed", threads_for(3 * 32), p);
  }
}

template <class T>
void top_k(const char* entry, bool largest, i64 length, i64 k) {
  KernelCase c("index");
  const i64 outer = 2, inner = 3;
  auto x = random_values<T>(outer * length * inner, 1, -9, 9);
  for (double& v : x) v = std::round(v);
  std::vector<double> y(outer * k * inner), indices(y.size());
  for (i64 o = 0; o < outer; ++o)
    for (i64 e = 0; e < inner; ++e) {
      std::vector<i64> order(length);
      std::iota(order.begin(), order.end(), 0);
      const auto at = [&](i64 i) { return x[(o * length + i) * inner + e]; };
      std::stable_sort(order.begin(), order.end(),
                       [&](i64 a, i64 b) { return largest ? at(a) > at(b) : at(a) < at(b); });
      for (i64 i = 0; i < k; ++i) {
        y[(o * k + i) * inner + e] = at(order[i]);
        indices[(o * k + i) * inner + e] = static_cast<double>(order[i]);
      }
    }
  const ScanParams p{
      c.input<T>(x), c.output<T>(y, 0), c.output<i64>(indices, 0), outer, length, inner, k};
  c.run(entry,
        {.grid = {static_cast<uint32_t>(outer * inner), 1, 1},
         .threads = 64,
         .shared_bytes = static_cast<uint32_t>(top_k_shared_bytes(2))},
        p);
}

TEST(IndexKernel, TopK) {
  for (const i64 length : {1, 33, 150}) {
    top_k<f16>("top_k", true, length, std::min<i64>(length, 7));
    top_k<i64>("top_k_least", false, length, length);
  }
}

struct Table {
  std::vector<double> index, weight;
};
// Linear, half_pixel.
Table linear(int in, int out) {
  Table t;
  for (int o = 0; o < out; ++o) {
    const double x = (o + 0.5) * in / out - 0.5;
    for (int tap = 0; tap < 2; ++tap) {
      const double at = std::floor(x) + tap;
      t.index.push_back(std::clamp<double>(at, 0, in - 1));
      t.weight.push_back(as_double(static_cast<f32>(1 - std::fabs(x - at))));
    }
  }
  return t;
}

TEST(IndexKernel, ResizeLinearAndNearest) {
  const int h = 3, w = 4, oh = 7, ow = 5, channels = 8, images = 2;
  const auto x = random_values<f16>(images * h * w * channels, 1);
  const Table th = linear(h, oh), tw = linear(w, ow);
  std::vector<double> y;
  for (int n = 0; n < images; ++n)
    for (int i = 0; i < oh * ow; ++i)
      for (int c = 0; c < channels; ++c) {
        double sum = 0;
        for (int a = 0; a < 4; ++a) {
          const int ti = i / ow * 2 + a / 2, tj = i % ow * 2 + a % 2;
          sum += th.weight[ti] * tw.weight[tj] *
                 x[((n * h + static_cast<int>(th.index[ti])) * w + static_cast<int>(tw.index[tj])) *
                       channels +
                   c];
        }
        y.push_back(sum);
      }
  KernelCase c("index");
  ResizeParams p{};
  p.x = c.input<f16>(x);
  p.y = c.output<f16>(y, 1e-3);
  p.index[0] = c.constant<i32>({0}), p.weight[0] = c.constant<f32>({1});
  p.index[1] = c.constant<i32>(th.index), p.weight[1] = c.constant<f32>(th.weight);
  p.index[2] = c.constant<i32>(tw.index), p.weight[2] = c.constant<f32>(tw.weight);
  p.x_outer = h * w * channels, p.x_channel = 1, p.x_axis[1] = w * channels, p.x_axis[2] = channels;
  p.y_outer = oh * ow * channels, p.y_channel = 1, p.y_axis[1] = ow * channels,
  p.y_axis[2] = channels;
  p.outer = images, p.channels = channels, p.out[0] = 1, p.out[1] = oh, p.out[2] = ow;
  p.items = oh * ow * 2;
  c.run("bilinear", threads_for(p.items), p);

  KernelCase n("index");
  ResizeParams q = p;  // channels first; the first column lies outside
  const std::vector<double> columns = {-1, 0, 3, 3, 1};
  std::vector<double> z;
  for (int i = 0; i < images * channels; ++i)
    for (int o = 0; o < oh * ow; ++o) {
      const double column = columns[o % ow];
      z.push_back(column < 0 ? 0.25 : x[(i * h + o / ow % h) * w + static_cast<int>(column)]);
    }
  q.x = n.input<f16>(x);
  q.y = n.output<f16>(z, 0);
  std::vector<double> rows;
  for (int o = 0; o < oh; ++o) rows.push_back(o % h);
  q.index[0] = n.constant<i32>({0}), q.index[1] = n.constant<i32>(rows),
  q.index[2] = n.constant<i32>(columns);
  q.x_channel = h * w, q.x_axis[1] = w, q.x_axis[2] = 1;
  q.y_channel = oh * ow, q.y_axis[1] = ow, q.y_axis[2] = 1;
  q.outside = 0.25f;
  q.items = oh * ow * channels;
  n.run("nearest", threads_for(q.items), q);
}

}  // namespace
}  // namespace planish::emulator
