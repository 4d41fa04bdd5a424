// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "planish/error.h"

namespace planish::cpu {

namespace {

constexpr int64_t kTaskElements = 8 * 1024;

template <class F>
void for_units(int64_t units, int64_t elements, ThreadPool& pool, F&& f) {
  if (units <= 0) return;
  const int64_t tasks = std::clamp<int64_t>(elements / kTaskElements, 1,
                                            std::min<int64_t>(units, 4 * pool.threads()));
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t unit = units * task / tasks; unit < units * (task + 1) / tasks; ++unit) f(unit);
  });
}

double inverse_deviation(double squares, double count, float epsilon) {
  return 1.0 / std::sqrt(squares / count + static_cast<double>(epsilon));
}

// One (batch, group) whose channels lie one after another.
void normalise_channels_first(const GroupNormParams& p, const NormTable& table, int64_t unit) {
  const int64_t n = p.group_channels * p.spatial;
  const float* x = p.x + unit * n;
  float* y = p.y + unit * n;
  const auto count = static_cast<double>(n);
  const double mean = table.sum(x, n) / count;
  const auto center = static_cast<float>(mean);
  const double squares = table.squared_deviations(x, n, center);
  const double inverse = inverse_deviation(squares, count, p.epsilon);
  const int64_t first = unit % p.groups * p.group_channels;
  for (int64_t c = 0; c < p.group_channels; ++c) {
    const double scale = p.scale == nullptr ? 1.0 : p.scale[first + c];
    const double bias = p.bias == nullptr ? 0.0 : p.bias[first + c];
    const double factor = inverse * scale;
    table.affine(x + c * p.spatial, y + c * p.spatial, p.spatial, center,
                 static_cast<float>(factor), static_cast<float>(bias - (mean - center) * factor));
  }
}

// Groups [first, last) of one batch, channels last: their columns are walked together.
void normalise_channels_last(const GroupNormParams& p, const NormTable& table, int64_t batch,
                             int64_t first, int64_t last) {
  const int64_t channels = p.groups * p.group_channels;
  const int64_t begin = first * p.group_channels;
  const int64_t cols = (last - first) * p.group_channels;
  const int64_t at = batch * p.spatial * channels + begin;
  const auto count = static_cast<double>(p.group_channels * p.spatial);
  double sums[kMaxGroupChannelsLast] = {};
  double means[kMaxGroupChannelsLast];
  float centers[kMaxGroupChannelsLast];
  float factors[kMaxGroupChannelsLast];
  float terms[kMaxGroupChannelsLast];
  const auto total = [&](int64_t group) {
    double sum = 0;
    for (int64_t c = 0; c < p.group_channels; ++c) sum += sums[group * p.group_channels + c];
    return sum;
  };
  table.column_sums(p.x + at, channels, p.spatial, cols, nullptr, sums);
  for (int64_t group = 0; group < last - first; ++group) {
    const double mean = total(group) / count;
    std::fill_n(means + group * p.group_channels, p.group_channels, mean);
    std::fill_n(centers + group * p.group_channels, p.group_channels, static_cast<float>(mean));
  }
  std::fill_n(sums, cols, 0.0);
  table.column_sums(p.x + at, channels, p.spatial, cols, centers, sums);
  for (int64_t group = 0; group < last - first; ++group) {
    const double inverse = inverse_deviation(total(group), count, p.epsilon);
    for (int64_t c = group * p.group_channels; c < (group + 1) * p.group_channels; ++c) {
      const double factor = inverse * (p.scale == nullptr ? 1.0 : p.scale[begin + c]);
      const double bias = p.bias == nullptr ? 0.0 : p.bias[begin + c];
      factors[c] = static_cast<float>(factor);
      terms[c] = static_cast<float>(bias - (means[c] - centers[c]) * factor);
    }
  }
  table.column_affine(p.x + at, p.y + at, channels, p.spatial, cols, centers, factors, terms);
}

}  // namespace

void run_row_norm(const RowNormParams& params, ThreadPool& pool) {
  if (params.cols <= 0) return;
  const NormTable& table = norm_table(params.isa);
  for_units(params.rows, params.rows * params.cols, pool,
            [&](int64_t row) { table.row(params, row); });
}

void run_group_norm(const GroupNormParams& params, ThreadPool& pool) {
  const NormTable& table = norm_table(params.isa);
  const int64_t elements = params.batch * params.groups * params.group_channels * params.spatial;
  if (elements == 0) return;
  if (!params.channels_last) {
    for_units(params.batch * params.groups, elements, pool,
              [&](int64_t unit) { normalise_channels_first(params, table, unit); });
    return;
  }
  if (params.group_channels > kMaxGroupChannelsLast) {
    throw Error(ErrorCode::kUnsupported,
                "group normalisation, channels last: " + std::to_string(params.group_channels) +
                    " channels in a group, expected at most " +
                    std::to_string(kMaxGroupChannelsLast));
  }
  // Blocks of some cache lines' width, more of them than threads if there are as many groups.
  constexpr int64_t kWidth = 64;
  const int64_t block = std::clamp<int64_t>(kWidth / params.group_channels, 1, params.groups);
  const int64_t blocks = (params.groups + block - 1) / block;
  for_units(params.batch * blocks, elements, pool, [&](int64_t unit) {
    const int64_t first = unit % blocks * block;
    normalise_channels_last(params, table, unit / blocks, first,
                            std::min(params.groups, first + block));
  });
}

}  // namespace planish::cpu
