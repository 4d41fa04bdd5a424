// SPDX-License-Identifier: Apache-2.0
// cuda.launch: kernels of the plan's machine code. See launch_layout.h for the attributes.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "backend/cuda/runtime/device.h"
#include "backend/cuda/runtime/launch_layout.h"
#include "base/str.h"
#include "plan/dim_text.h"
#include "runtime/step_kernel.h"
#include "runtime/window_check.h"

namespace planish::cuda {
namespace {

constexpr int64_t kMaxGrid[3] = {INT32_MAX, 65535, 65535};
constexpr int64_t kMaxThreads = 1024;
constexpr int64_t kMaxLaunches = 64;

struct Kernel {
  FunctionHandle function = 0;
  std::vector<Field> fields;
  std::array<size_t, 3> grid{};  // expressions
  uint32_t threads = 0;
  uint32_t shared_bytes = 0;
  bool overlaps = false;
};

// A window that must fit at run time.
struct FitCheck {
  size_t axis = 0;
  size_t in = 0;  // expression
  int64_t window = 0;
  size_t room = 0;  // expression
};

// The parameters of one launch, but for the addresses.
struct BoundLaunch {
  std::array<uint32_t, 3> grid{};
  std::vector<std::byte> params;
  std::vector<std::pair<size_t, Field>> addresses;  // where, which; offsets are bytes
  bool is_empty = false;
};

struct LaunchState final : StepState {
  std::vector<BoundLaunch> launches;
};

std::map<std::string, DimRange> symbol_ranges(const plan::Plan& plan) {
  std::map<std::string, DimRange> ranges;
  for (const plan::Symbol& s : plan.symbols) ranges.emplace(s.name, s.range);
  return ranges;
}

class LaunchStep final : public StepKernel {
 public:
  explicit LaunchStep(const StepInfo& info) {
    CudaEngine& engine = engine_of(info.device());
    const Attributes& a = info.attributes();
    const auto ranges = symbol_ranges(info.plan());
    for (const std::string& text : a.texts("dims", {}))
      dims_.push_back(plan::parse_dim(text, ranges));
    const auto& keys = a.texts("kernels");
    const auto& fields = a.texts("fields");
    const auto& geometry = a.integers("geometry");
    const auto overlaps = a.integers("overlaps", std::vector<int64_t>(keys.size(), 0));
    info.require(!keys.empty() && static_cast<int64_t>(keys.size()) <= kMaxLaunches &&
                     fields.size() == keys.size() && overlaps.size() == keys.size() &&
                     geometry.size() == keys.size() * kGeometryNumbers,
                 "the lists of its launches differ in length");
    for (size_t i = 0; i < keys.size(); ++i)
      add_kernel(info, engine, keys[i], fields[i], &geometry[i * kGeometryNumbers],
                 overlaps[i] != 0);
    if (a.has("scratch")) scratch_ = expression(info, a.integer("scratch"));
    in_place_ = a.integers("in_place", {});
    info.require(in_place_.size() % 2 == 0, "in_place is no list of pairs");
    add_windows(info, a.integers("windows", {}));
    const auto broadcasts = a.integers("broadcasts", {});
    info.require(broadcasts.size() % 2 == 0, "broadcasts is no list of pairs");
    for (int64_t number : broadcasts) broadcasts_.push_back(expression(info, number));
    for (int64_t number : a.integers("filled", {})) filled_.push_back(expression(info, number));
  }

  StepMemory memory() const override { return {plan::Memory::kDevice, plan::Memory::kDevice}; }
  bool is_recordable() const override { return true; }

  bool may_overwrite(int output, int input) const override {
    for (size_t i = 0; i < in_place_.size(); i += 2)
      if (in_place_[i] == output && in_place_[i + 1] == input) return true;
    return false;
  }

  StepBinding bind(const StepShapes& shapes) const override {
    auto state = std::make_unique<LaunchState>();
    StepBinding binding;
    if (scratch_) binding.scratch_bytes = static_cast<size_t>(size(shapes, *scratch_, "scratch"));
    std::vector<int64_t> values;
    for (const Dim& dim : dims_) values.push_back(shapes.value(dim));
    for (const FitCheck& w : windows_)
      require_window(shapes, w.axis, values[w.in], w.window, values[w.room]);
    for (size_t number : filled_)
      shapes.require(values[number] > 0, "an axis has no elements: nothing stands at its edge");
    for (size_t i = 0; i < broadcasts_.size(); i += 2) {
      const int64_t size = values[broadcasts_[i]], wanted = values[broadcasts_[i + 1]];
      shapes.require(size == 1 || size == wanted,
                     concat("dimensions ", size, " and ", wanted, " do not broadcast"));
    }
    for (const Kernel& kernel : kernels_)
      state->launches.push_back(bind_launch(shapes, kernel, values, binding.scratch_bytes));
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    auto& state = static_cast<LaunchState&>(*c.state());
    auto& session = static_cast<CudaSession&>(*c.session());
    for (size_t i = 0; i < kernels_.size(); ++i) {
      BoundLaunch& bound = state.launches[i];
      if (bound.is_empty) continue;
      for (const auto& [at, field] : bound.addresses) {
        const uint64_t address = address_of(c, field);
        std::memcpy(bound.params.data() + at, &address, sizeof(address));
      }
      session.launch({.function = kernels_[i].function,
                      .grid = bound.grid,
                      .threads = kernels_[i].threads,
                      .shared_bytes = kernels_[i].shared_bytes,
                      .waits_for_predecessor = kernels_[i].overlaps,
                      .params = bound.params});
    }
  }

 private:
  size_t expression(const StepInfo& info, int64_t number) const {
    info.require(number >= 0 && number < static_cast<int64_t>(dims_.size()),
                 concat("there is no expression ", number));
    return static_cast<size_t>(number);
  }

  void add_windows(const StepInfo& info, const std::vector<int64_t>& numbers) {
    info.require(numbers.size() % 4 == 0, "windows is no list of fours");
    for (size_t i = 0; i < numbers.size(); i += 4) {
      info.require(numbers[i] >= 0, concat("there is no axis ", numbers[i]));
      windows_.push_back({.axis = static_cast<size_t>(numbers[i]),
                          .in = expression(info, numbers[i + 1]),
                          .window = numbers[i + 2],
                          .room = expression(info, numbers[i + 3])});
    }
  }

  void add_kernel(const StepInfo& info, CudaEngine& engine, const std::string& key,
                  const std::string& fields, const int64_t* geometry, bool overlaps) {
    Kernel kernel;
    kernel.fields = parse_fields(fields);
    for (size_t d = 0; d < 3; ++d) kernel.grid[d] = expression(info, geometry[d]);
    for (Field& f : kernel.fields) {
      if (f.kind == Field::Kind::kSite)
        f = {Field::Kind::kNumber, 8, engine.fault_sites().add(info.step().op, info.step().node)};
      if (f.kind == Field::Kind::kExpression || f.kind == Field::Kind::kScratch)
        expression(info, f.value);
      if (f.offset >= 0) expression(info, f.offset);
      if (f.kind == Field::Kind::kInput)
        info.require(f.value < info.input_count(), concat("it has no input ", f.value));
      if (f.kind == Field::Kind::kOutput)
        info.require(f.value < info.output_count(), concat("it has no output ", f.value));
    }
    info.require(geometry[3] >= 1 && geometry[3] <= kMaxThreads,
                 concat(geometry[3], " threads a block"));
    const auto most_shared = int64_t{engine.device().properties().shared_bytes};
    info.require(geometry[4] >= 0 && geometry[4] <= most_shared,
                 concat(geometry[4], " bytes of shared memory, the device has ", most_shared));
    kernel.threads = static_cast<uint32_t>(geometry[3]);
    kernel.shared_bytes = static_cast<uint32_t>(geometry[4]);
    kernel.overlaps = overlaps;
    kernel.function = engine.function(key, kernel.shared_bytes);
    kernels_.push_back(std::move(kernel));
  }

  int64_t size(const StepShapes& shapes, size_t expression, const char* what) const {
    const int64_t value = shapes.value(dims_[expression]);
    shapes.require(value >= 0, concat(what, " is ", value));
    return value;
  }

  BoundLaunch bind_launch(const StepShapes& shapes, const Kernel& kernel,
                          const std::vector<int64_t>& values, size_t scratch_bytes) const {
    BoundLaunch out;
    for (size_t d = 0; d < 3; ++d) {
      const int64_t blocks = values[kernel.grid[d]];
      shapes.require(blocks >= 0 && blocks <= kMaxGrid[d],
                     concat("a grid of ", blocks, " blocks in dimension ", d));
      out.is_empty = out.is_empty || blocks == 0;
      out.grid[d] = static_cast<uint32_t>(blocks);
    }
    out.params.resize(fields_bytes(kernel.fields));
    size_t at = 0;
    for (const Field& field : kernel.fields) {
      const auto bytes = static_cast<size_t>(field.bytes);
      at = (at + bytes - 1) / bytes * bytes;
      add_param(shapes, field, values, scratch_bytes, at, out);
      at += bytes;
    }
    return out;
  }

  static void add_param(const StepShapes& shapes, const Field& field,
                        const std::vector<int64_t>& values, size_t scratch_bytes, size_t at,
                        BoundLaunch& out) {
    int64_t value = field.value;
    if (field.kind == Field::Kind::kExpression) value = values[static_cast<size_t>(field.value)];
    if (field.kind == Field::Kind::kScratch) {
      const int64_t offset = values[static_cast<size_t>(field.value)];
      shapes.require(offset >= 0 && static_cast<uint64_t>(offset) <= scratch_bytes,
                     "an address beyond the scratch memory");
      out.addresses.emplace_back(at, Field{field.kind, 8, 0, offset});
    } else if (field.kind == Field::Kind::kZeros || field.kind == Field::Kind::kFault) {
      out.addresses.emplace_back(at, field);
    } else if (field.kind == Field::Kind::kInput || field.kind == Field::Kind::kOutput) {
      const auto operand = static_cast<int>(field.value);
      const KnownTensor& t =
          field.kind == Field::Kind::kInput ? shapes.input(operand) : shapes.output(operand);
      const int64_t offset = field.offset < 0 ? 0 : values[static_cast<size_t>(field.offset)];
      const size_t bytes = t.present() ? dtype_bytes(t.dtype, t.count()) : 0;
      shapes.require(offset >= 0 && static_cast<uint64_t>(offset) <= bytes,
                     "an address beyond its tensor");
      out.addresses.emplace_back(at, Field{field.kind, 8, field.value, offset});
    } else {
      shapes.require(field.bytes == 8 || field.kind == Field::Kind::kNumber ||
                         (value >= INT32_MIN && value <= INT32_MAX),
                     concat("the parameter ", value, " does not fit 32 bits"));
      std::memcpy(out.params.data() + at, &value, static_cast<size_t>(field.bytes));
    }
  }

  static uint64_t address_of(StepContext& c, const Field& field) {
    const auto at = static_cast<int>(field.value);
    const std::byte* data = nullptr;
    auto& session = static_cast<CudaSession&>(*c.session());
    if (field.kind == Field::Kind::kZeros) return reinterpret_cast<uint64_t>(session.zeros());
    if (field.kind == Field::Kind::kFault) return reinterpret_cast<uint64_t>(session.fault());
    if (field.kind == Field::Kind::kInput && c.has_input(at)) data = c.input(at).data();
    if (field.kind == Field::Kind::kOutput && c.wants_output(at)) data = c.output(at).data();
    if (field.kind == Field::Kind::kScratch) data = c.scratch().data();
    return data == nullptr ? 0 : reinterpret_cast<uint64_t>(data + field.offset);
  }

  std::vector<Dim> dims_;
  std::vector<Kernel> kernels_;
  std::optional<size_t> scratch_;
  std::vector<int64_t> in_place_;
  std::vector<FitCheck> windows_;
  std::vector<size_t> broadcasts_;  // expressions
  std::vector<size_t> filled_;      // the same
};

const RegisterStepKernel kLaunch("cuda.launch", make_step_kernel<LaunchStep>);

}  // namespace
}  // namespace planish::cuda
