// SPDX-License-Identifier: Apache-2.0
// Cuts a pointwise problem over N dimensions into blocks, and the blocks into tasks.
#include "backend/cpu/kernels/pointwise.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels/pointwise_tile.h"

namespace planish::cpu {

namespace {

constexpr int kMaxOperands = kMaxTapeInputs + kMaxTapeOutputs;

// Vector instructions that are worth a task of their own: a few microseconds.
constexpr int64_t kTaskInstructions = 12'000;

// Innermost runs shorter than this are not worth a loop of their own.
constexpr int64_t kShortRun = 24;

// The problem after merging dims that every operand walks as one.
struct Space {
  int rank = 0;
  int64_t dims[kMaxPointwiseRank];
  int operands = 0;
  int64_t strides[kMaxOperands][kMaxPointwiseRank];

  int64_t elements(int first, int last) const {
    int64_t count = 1;
    for (int d = first; d < last; ++d) count *= dims[d];
    return count;
  }
};

const PointwiseOperand& operand_of(const PointwiseParams& params, int i) {
  const int inputs = params.program->inputs();
  return i < inputs ? params.inputs[i] : params.outputs[i - inputs];
}

Space collapse(const PointwiseParams& params) {
  Space space;
  space.operands = params.program->inputs() + params.program->outputs();
  for (int d = 0; d < params.rank; ++d) {
    if (params.dims[d] == 1) continue;
    bool merges = space.rank > 0;
    for (int i = 0; i < space.operands && merges; ++i) {
      const int64_t outer = space.strides[i][space.rank - 1];
      merges = outer == operand_of(params, i).strides[d] * params.dims[d];
    }
    if (!merges) space.dims[space.rank++] = 1;
    space.dims[space.rank - 1] *= params.dims[d];
    for (int i = 0; i < space.operands; ++i) {
      space.strides[i][space.rank - 1] = operand_of(params, i).strides[d];
    }
  }
  if (space.rank == 0) {
    space.rank = 1;
    space.dims[0] = 1;
    for (int i = 0; i < space.operands; ++i) space.strides[i][0] = 1;
  }
  return space;
}

// A position that advances through the outer dims [0, rank) of a space, with each operand's offset.
class Position {
 public:
  Position(const Space& space, int rank, int64_t index) : space_(space), rank_(rank) {
    for (int d = rank - 1; d >= 0; --d) {
      at_[d] = index % space.dims[d];
      index /= space.dims[d];
    }
    for (int i = 0; i < space.operands; ++i) {
      offset_[i] = 0;
      for (int d = 0; d < rank; ++d) offset_[i] += at_[d] * space.strides[i][d];
    }
  }

  void advance() {
    for (int d = rank_ - 1; d >= 0; --d) {
      const bool carry = ++at_[d] == space_.dims[d];
      const int64_t steps = carry ? 1 - space_.dims[d] : 1;
      for (int i = 0; i < space_.operands; ++i) offset_[i] += steps * space_.strides[i][d];
      if (!carry) return;
      at_[d] = 0;
    }
  }

  int64_t offset(int operand) const { return offset_[operand]; }

 private:
  const Space& space_;
  int rank_;
  int64_t at_[kMaxPointwiseRank] = {};
  int64_t offset_[kMaxOperands];
};

struct Tasks {
  int64_t count;
  int64_t units_each;
};

Tasks split(int64_t units, int64_t elements, const PointwiseProgram& program, int threads) {
  const int lanes = pointwise_table(program.isa()).lanes;
  const int64_t instructions = elements / lanes * program.cost();
  const int64_t wanted =
      std::clamp<int64_t>(instructions / kTaskInstructions, 1, int64_t{4} * threads);
  const int64_t each = (units + wanted - 1) / wanted;
  return {(units + each - 1) / each, each};
}

// Long inner runs: blocks of the last two dims.

class BlockRun {
 public:
  BlockRun(const PointwiseParams& params, const Space& space) : params_(params), space_(space) {
    const int r = space.rank;
    rows_ = r > 1 ? space.dims[r - 2] : 1;
    cols_ = space.dims[r - 1];
    for (int i = 0; i < space.operands; ++i) {
      views_[i] = {operand_of(params, i).data, r > 1 ? space.strides[i][r - 2] : 0,
                   space.strides[i][r - 1]};
    }
  }

  void run(ThreadPool& pool) {
    const PointwiseProgram& program = *params_.program;
    const TileRunner probe(program, inputs(), outputs());
    block_cols_ = std::min(cols_, probe.capacity());
    // No more rows than leave every thread some blocks.
    const int64_t outer = space_.elements(0, std::max(0, space_.rank - 2));
    const int64_t fair = std::max<int64_t>(1, outer * rows_ / (int64_t{4} * pool.threads()));
    block_rows_ = std::min({rows_, probe.rows_that_fit(block_cols_), std::max(fair, min_rows())});
    row_blocks_ = (rows_ + block_rows_ - 1) / block_rows_;
    col_blocks_ = (cols_ + block_cols_ - 1) / block_cols_;
    const int64_t units = outer * row_blocks_ * col_blocks_;
    const Tasks tasks = split(units, space_.elements(0, space_.rank), program, pool.threads());
    pool.parallel_for(tasks.count, [&](int64_t task) {
      const int64_t first = task * tasks.units_each;
      run_units(first, std::min(units, first + tasks.units_each));
    });
  }

 private:
  std::span<const TileView> inputs() const {
    return {views_, static_cast<size_t>(params_.program->inputs())};
  }
  std::span<const TileView> outputs() const {
    return {views_ + params_.program->inputs(), static_cast<size_t>(params_.program->outputs())};
  }
  int64_t min_rows() const { return std::max<int64_t>(1, 256 / block_cols_); }

  void run_units(int64_t first, int64_t last) const {
    const PointwiseProgram& program = *params_.program;
    TileRunner runner(program, inputs(), outputs());
    const int64_t per_outer = row_blocks_ * col_blocks_;
    int64_t inside = first % per_outer;
    Position position(space_, std::max(0, space_.rank - 2), first / per_outer);
    void* address[kMaxOperands];
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t row = inside / col_blocks_ * block_rows_;
      const int64_t col = inside % col_blocks_ * block_cols_;
      for (int i = 0; i < space_.operands; ++i) {
        const int bytes = i < program.inputs() ? program.input_bytes(i)
                                               : program.output_bytes(i - program.inputs());
        const int64_t at =
            position.offset(i) + row * views_[i].row_stride + col * views_[i].col_stride;
        address[i] = static_cast<char*>(views_[i].data) + at * bytes;
      }
      runner.run(address, address + program.inputs(), std::min(block_rows_, rows_ - row),
                 std::min(block_cols_, cols_ - col));
      if (++inside == per_outer) {
        inside = 0;
        position.advance();
      }
    }
  }

  const PointwiseParams& params_;
  const Space& space_;
  TileView views_[kMaxOperands];
  int64_t rows_;
  int64_t cols_;
  int64_t block_rows_ = 1;
  int64_t block_cols_ = 1;
  int64_t row_blocks_ = 1;
  int64_t col_blocks_ = 1;
};

// Short inner runs: operands are laid out densely first.

// Moves elements [first, first + n) of a row-major walk over a space between an operand's memory
// and dense memory.
template <class T, bool scatter>
void stage_elements(const Space& space, const int64_t* strides, T* memory, T* dense, int64_t first,
                    int64_t n) {
  const int inner = space.rank - 1;
  int64_t at[kMaxPointwiseRank];
  int64_t index = first / space.dims[inner];
  T* run = memory;
  for (int d = inner - 1; d >= 0; --d) {
    at[d] = index % space.dims[d];
    index /= space.dims[d];
    run += at[d] * strides[d];
  }
  const int64_t stride = strides[inner];
  int64_t col = first % space.dims[inner];
  while (n > 0) {
    const int64_t count = std::min(n, space.dims[inner] - col);
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (scatter) {
        run[(col + i) * stride] = dense[i];
      } else {
        dense[i] = run[(col + i) * stride];
      }
    }
    dense += count;
    n -= count;
    col = 0;
    for (int d = inner - 1; d >= 0; --d) {
      run += strides[d];
      if (++at[d] < space.dims[d]) break;
      run -= strides[d] * space.dims[d];
      at[d] = 0;
    }
  }
}

template <bool scatter>
void stage_bytes(int bytes, const Space& space, const int64_t* strides, void* memory, void* dense,
                 int64_t first, int64_t n) {
  const auto typed = [&](auto element) {
    using T = decltype(element);
    stage_elements<T, scatter>(space, strides, static_cast<T*>(memory), static_cast<T*>(dense),
                               first, n);
  };
  switch (bytes) {
    case 1: return typed(uint8_t{});
    case 2: return typed(uint16_t{});
    case 4: return typed(uint32_t{});
    default: return typed(uint64_t{});
  }
}

class FlatRun {
 public:
  FlatRun(const PointwiseParams& params, const Space& space)
      : params_(params), space_(space), total_(space.elements(0, space.rank)) {
    for (int i = 0; i < space.operands; ++i) {
      const int64_t col_stride = is_scalar(i) ? 0 : 1;
      dense_[i] = is_dense(i);
      staged_ += !dense_[i] && col_stride != 0;
      views_[i] = {operand_of(params, i).data, 0, col_stride};
    }
  }

  void run(ThreadPool& pool) {
    const PointwiseProgram& program = *params_.program;
    const TileRunner probe(program, inputs(), outputs());
    block_ = std::min(probe.capacity(), kMaxBlock);
    if (staged_ > 0) block_ = std::min(block_, kStagingBytes / 8 / staged_ / 16 * 16);
    const int64_t units = (total_ + block_ - 1) / block_;
    const Tasks tasks = split(units, total_, program, pool.threads());
    pool.parallel_for(tasks.count, [&](int64_t task) {
      const int64_t first = task * tasks.units_each;
      run_units(first, std::min(units, first + tasks.units_each));
    });
  }

 private:
  static constexpr int64_t kStagingBytes = 32 * 1024;
  static constexpr int64_t kMaxBlock = 2048;

  std::span<const TileView> inputs() const {
    return {views_, static_cast<size_t>(params_.program->inputs())};
  }
  std::span<const TileView> outputs() const {
    return {views_ + params_.program->inputs(), static_cast<size_t>(params_.program->outputs())};
  }
  int bytes_of(int i) const {
    const PointwiseProgram& program = *params_.program;
    return i < program.inputs() ? program.input_bytes(i)
                                : program.output_bytes(i - program.inputs());
  }
  bool is_scalar(int i) const {
    return i < params_.program->inputs() &&
           std::all_of(space_.strides[i], space_.strides[i] + space_.rank,
                       [](int64_t stride) { return stride == 0; });
  }
  bool is_dense(int i) const {
    int64_t expected = 1;
    for (int d = space_.rank - 1; d >= 0; --d) {
      if (space_.strides[i][d] != expected) return false;
      expected *= space_.dims[d];
    }
    return true;
  }

  void run_units(int64_t first, int64_t last) const {
    alignas(64) char staging[kStagingBytes];
    TileRunner runner(*params_.program, inputs(), outputs());
    const int input_count = params_.program->inputs();
    void* address[kMaxOperands];
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t at = unit * block_;
      const int64_t n = std::min(block_, total_ - at);
      char* next = staging;
      for (int i = 0; i < space_.operands; ++i) {
        if (dense_[i] || views_[i].col_stride == 0) {
          address[i] = static_cast<char*>(views_[i].data) + at * views_[i].col_stride * bytes_of(i);
          continue;
        }
        address[i] = next;
        next += block_ * 8;
        if (i < input_count) {
          stage_bytes<false>(bytes_of(i), space_, space_.strides[i], views_[i].data, address[i], at,
                             n);
        }
      }
      runner.run(address, address + input_count, 1, n);
      for (int i = input_count; i < space_.operands; ++i) {
        if (dense_[i]) continue;
        stage_bytes<true>(bytes_of(i), space_, space_.strides[i], views_[i].data, address[i], at,
                          n);
      }
    }
  }

  const PointwiseParams& params_;
  const Space& space_;
  int64_t total_;
  int64_t block_ = 0;
  int staged_ = 0;
  bool dense_[kMaxOperands];
  TileView views_[kMaxOperands];
};

}  // namespace

void set_broadcast_strides(std::span<const int64_t> shape, int rank, PointwiseOperand* operand) {
  std::fill_n(operand->strides, kMaxPointwiseRank, 0);
  int64_t stride = 1;
  for (size_t back = 1; back <= shape.size(); ++back) {
    const int64_t dim = shape[shape.size() - back];
    if (dim != 1) operand->strides[rank - static_cast<int>(back)] = stride;
    stride *= dim;
  }
}

void run_pointwise(const PointwiseParams& params, ThreadPool& pool) {
  for (int d = 0; d < params.rank; ++d) {
    if (params.dims[d] <= 0) return;
  }
  const Space space = collapse(params);
  const bool short_runs = space.rank > 1 && space.dims[space.rank - 1] < kShortRun;
  if (short_runs) {
    FlatRun(params, space).run(pool);
  } else {
    BlockRun(params, space).run(pool);
  }
}

}  // namespace planish::cpu
