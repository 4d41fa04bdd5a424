// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "backend/cpu/kernels/gather.h"
#include "planish/error.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;

int64_t count_of(std::span<const int64_t> dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}

// Every byte of element `i` depends on i.
void number(Guarded<uint8_t>& data, int bytes) {
  for (size_t k = 0; k < data.size(); ++k) {
    const size_t element = k / bytes;
    data[k] = static_cast<uint8_t>((element >> (8 * (k % bytes % 3))) + k % bytes * 17);
  }
}

void check_against_naive(const CopyParams& params) {
  const int bytes = params.element_bytes;
  const int64_t count = count_of({params.dims, static_cast<size_t>(params.rank)});
  for (int64_t index = 0; index < count; ++index) {
    int64_t left = index, src = 0, dst = 0;
    for (int d = params.rank - 1; d >= 0; --d) {
      src += left % params.dims[d] * params.src_strides[d];
      dst += left % params.dims[d] * params.dst_strides[d];
      left /= params.dims[d];
    }
    const auto* from = static_cast<const uint8_t*>(params.src) + src * bytes;
    const auto* to = static_cast<const uint8_t*>(params.dst) + dst * bytes;
    ASSERT_EQ(std::memcmp(from, to, bytes), 0)
        << isa_name(params.isa) << " element " << index << " of " << bytes << " bytes";
  }
}

TEST(Copy, TransposesOfManyShapes) {
  struct Case {
    std::vector<int64_t> dims, perm;
  };
  const std::vector<Case> cases = {{{37, 53}, {1, 0}},
                                   {{16, 16}, {1, 0}},
                                   {{1, 9}, {1, 0}},
                                   {{130, 3}, {1, 0}},
                                   {{3, 130}, {1, 0}},
                                   {{65, 129}, {1, 0}},
                                   {{2, 3, 17, 19}, {0, 2, 3, 1}},
                                   {{2, 17, 19, 3}, {0, 3, 1, 2}},
                                   {{2, 5, 33, 16}, {0, 2, 1, 3}},
                                   {{4, 5, 6, 7}, {3, 2, 1, 0}},
                                   {{4, 5, 6, 7}, {1, 0, 3, 2}},
                                   {{3, 2, 4, 5, 6}, {2, 0, 3, 1, 4}},
                                   {{7, 11, 13}, {2, 1, 0}},
                                   {{7, 11, 13}, {0, 1, 2}},
                                   {{5}, {0}},
                                   {{2, 1, 3, 1, 65}, {4, 1, 2, 3, 0}},
                                   {{64, 200, 12}, {2, 0, 1}}};
  for (Isa isa : isas_here()) {
    ThreadPool pool(isa == Isa::plain ? 1 : 2);
    for (const Case& test : cases) {
      for (int bytes : {1, 2, 4, 8, 16}) {
        const size_t total = static_cast<size_t>(count_of(test.dims) * bytes);
        Guarded<uint8_t> src(total), dst(total);
        number(src, bytes);
        CopyParams params = transpose_params(src.data(), dst.data(), bytes, test.dims, test.perm);
        params.isa = isa;
        run_copy(params, pool);
        check_against_naive(params);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(Copy, SlicesReversalsAndRepeats) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    Guarded<uint8_t> src(40 * 50 * 4);
    number(src, 4);
    Guarded<uint8_t> dst(20 * 30 * 7 * 4);
    CopyParams params;
    params.isa = isa;
    params.dst = dst.data();
    params.rank = 2;
    params.dims[0] = 20;
    params.dims[1] = 30;
    params.dst_strides[0] = 30;
    params.dst_strides[1] = 1;
    struct Case {
      int64_t offset, row, col;
    };
    for (const Case& test :
         {Case{3, 50, 1}, Case{0, 100, 1}, Case{49 + 39 * 50, -50, -1}, Case{5, 0, 1},
          Case{7, 50, 0}, Case{0, 0, 0}, Case{0, 1, 50}, Case{29, 50, -1}}) {
      params.src = src.data() + test.offset * 4;
      params.src_strides[0] = test.row;
      params.src_strides[1] = test.col;
      std::fill(dst.begin(), dst.end(), uint8_t{0xee});
      run_copy(params, pool);
      check_against_naive(params);
      EXPECT_EQ(dst[20 * 30 * 4], 0xee) << "wrote past the copy";
    }
  }
}

// The parts of a concat along the last axis leave the rest of the whole alone.
TEST(Copy, IntoAWiderWhole) {
  ThreadPool pool(2);
  Guarded<uint8_t> part(33 * 5 * 4), whole(33 * 12 * 4);
  number(part, 4);
  std::fill(whole.begin(), whole.end(), uint8_t{0x55});
  CopyParams params;
  params.src = part.data();
  params.dst = whole.data() + 7 * 4;
  params.rank = 2;
  params.dims[0] = 33;
  params.dims[1] = 5;
  params.src_strides[0] = 5;
  params.src_strides[1] = 1;
  params.dst_strides[0] = 12;
  params.dst_strides[1] = 1;
  run_copy(params, pool);
  check_against_naive(params);
  for (int row = 0; row < 33; ++row) {
    for (int k = 0; k < 7 * 4; ++k) ASSERT_EQ(whole[row * 48 + k], 0x55);
  }
}

TEST(Copy, Fill) {
  Guarded<uint8_t> dst(16 * 9);
  const uint8_t value[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (int bytes : {1, 2, 4, 8, 16}) {
    fill_elements(dst.data(), value, bytes, 9);
    for (int i = 0; i < 9 * bytes; ++i) ASSERT_EQ(dst[i], value[i % bytes]);
  }
}

TEST(Gather, SlicesByIndex) {
  ThreadPool pool(2);
  for (int slice : {1, 4, 8, 12, 300}) {
    const int64_t outer = 3, axis = 7;
    const std::vector<int64_t> indices = {0, 6, -1, -7, 3, 3};
    const std::vector<int32_t> narrow(indices.begin(), indices.end());
    Guarded<uint8_t> data(outer * axis * slice), out(outer * 6 * slice);
    number(data, 1);
    for (bool wide : {true, false}) {
      run_gather({.data = data.data(),
                  .indices = wide ? static_cast<const void*>(indices.data()) : narrow.data(),
                  .wide_indices = wide,
                  .out = out.data(),
                  .outer = outer,
                  .axis_size = axis,
                  .index_count = 6,
                  .slice_bytes = slice},
                 pool);
      for (int64_t o = 0; o < outer; ++o) {
        for (int64_t i = 0; i < 6; ++i) {
          const int64_t index = indices[i] < 0 ? indices[i] + axis : indices[i];
          ASSERT_EQ(std::memcmp(out.data() + (o * 6 + i) * slice,
                                data.data() + (o * axis + index) * slice, slice),
                    0);
        }
      }
    }
  }
}

TEST(Gather, RefusesIndicesOutsideBeforeWriting) {
  ThreadPool pool(1);
  uint8_t data[4] = {1, 2, 3, 4};
  uint8_t out[2] = {9, 9};
  for (int64_t bad : {int64_t{4}, int64_t{-5}, INT64_MAX, INT64_MIN}) {
    const int64_t indices[2] = {0, bad};
    try {
      run_gather({.data = data,
                  .indices = indices,
                  .out = out,
                  .axis_size = 4,
                  .index_count = 2,
                  .slice_bytes = 1},
                 pool);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidValue);
    }
    EXPECT_EQ(out[0], 9);
  }
}

}  // namespace
}  // namespace planish::cpu
