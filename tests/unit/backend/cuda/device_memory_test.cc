// SPDX-License-Identifier: Apache-2.0
// Inputs and outputs in the device's memory, the caller's streams, and runs that go wrong.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "planish/error.h"
#include "unit/backend/cuda/engine_support.h"

namespace planish {
namespace {

using cuda::EmulatedGpu;
using test::build_for_gpu;
using test::noise;

// Memory of the GPU's, as a caller has it.
class OnDevice {
 public:
  OnDevice(EmulatedGpu& gpu, uint64_t bytes)
      : gpu_(gpu), bytes_(bytes), at_(gpu.device().allocate(bytes)) {}
  OnDevice(EmulatedGpu& gpu, const Tensor& t) : OnDevice(gpu, t.bytes()) {
    gpu_.device().copy(at_, t.data(), t.bytes(), 0);
  }
  ~OnDevice() { gpu_.device().release(at_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  std::byte* data() const { return at_; }
  std::span<std::byte> bytes() const { return {at_, bytes_}; }
  // What lies at `offset`, as a tensor like `like`.
  Tensor read(const Tensor& like, uint64_t offset = 0) const {
    Tensor out(like.dtype(), like.dims());
    EXPECT_TRUE(gpu_.is_written(at_ + offset, out.bytes())) << "the GPU has not written it";
    gpu_.device().copy(out.data(), at_ + offset, out.bytes(), 0);
    return out;
  }

 private:
  EmulatedGpu& gpu_;
  uint64_t bytes_;
  std::byte* at_;
};

// `t`, but for its bytes, which are elsewhere.
Tensor at(const Tensor& t, std::byte* memory) {
  return Tensor(t.dtype(), t.dims(), memory, t.bytes(), nullptr);
}

std::vector<Datum> reference(const std::string& text, const std::vector<Datum>& inputs) {
  auto graph = ir::parse(text);
  passes::infer_types(*graph, passes::Known::kIgnore);
  RunBudget budget;
  return ref::interpret(*graph, inputs, budget);
}

void expect_same(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_EQ(got.dims(), want.dims()) << what;
  EXPECT_EQ(std::memcmp(got.data(), want.data(), want.bytes()), 0) << what;
}

// Runs with all inputs and outputs in the device's memory, three times, so that the work is
// recorded too; with `wait` off on the context's own stream.
void check_bound(const std::string& text, const std::vector<Datum>& inputs,
                 uint64_t misplaced = 0) {
  const auto want = reference(text, inputs);
  for (bool waits : {true, false}) {
    EmulatedGpu gpu;
    const auto engine = Engine::create(build_for_gpu(text, gpu));
    const auto context = engine->create_context();
    context->set_stream(std::nullopt, waits);
    std::vector<std::unique_ptr<OnDevice>> in, out;
    std::vector<Datum> bound;
    for (const Datum& d : inputs) {
      in.push_back(std::make_unique<OnDevice>(gpu, d.tensor()));
      bound.emplace_back(at(d.tensor(), in.back()->data()));
    }
    for (size_t i = 0; i < want.size(); ++i) {
      out.push_back(std::make_unique<OnDevice>(gpu, want[i].tensor().bytes() + misplaced));
      context->set_output(static_cast<int>(i), out.back()->bytes().subspan(misplaced));
    }
    for (int run = 0; run < 3; ++run) {
      const auto got = context->run(bound);
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(got[i].tensor().data(), out[i]->data() + misplaced);
        expect_same(out[i]->read(want[i].tensor(), misplaced), want[i].tensor(),
                    concat("output ", i, ", run ", run, waits ? "" : ", not waited for"));
      }
    }
  }
}

TEST(CudaDeviceMemory, OutputsThatTheGpuMakes) {
  check_bound(R"(
graph "relu" {
  input %x : float32[n, 6]
  %a = Relu(%x)
  %t = Transpose(%a) {perm=[1, 0]}
  output %a as "a"
  output %t as "t"
})",
              {noise(DType::kF32, {3, 6}, 1)});
}

TEST(CudaDeviceMemory, OutputsThatTheHostMakesOrReads) {
  check_bound(R"(
graph "det" {
  input %x : float32[n, 3, 3]
  %a = Relu(%x)
  %b = Det(%a)
  %c = Neg(%b)
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
              {noise(DType::kF32, {2, 3, 3}, 2)});
}

TEST(CudaDeviceMemory, ConstantsAliasesInputsAndSizesThatDependOnData) {
  check_bound(R"(
graph "odd" {
  input %x : float32[2, 3]
  const %k = float32[2] {1.5, -2.0}
  const %shape = int64[1] {6}
  %a = Neg(%x)
  %b = Reshape(%a, %shape)
  %z = NonZero(%x)
  output %k as "k"
  output %x as "same"
  output %a as "a"
  output %b as "b"
  output %z as "z"
})",
              {noise(DType::kF32, {2, 3}, 3)});
}

TEST(CudaDeviceMemory, AddressesThatAreNoElements) {
  check_bound("graph \"g\" {\n  input %x : float32[5]\n  %a = Neg(%x)\n  output %a as \"a\"\n}",
              {noise(DType::kF32, {5}, 4)}, 1);
  EmulatedGpu gpu;
  const auto engine = Engine::create(build_for_gpu(
      "graph \"g\" {\n  input %x : float32[5]\n  %a = Neg(%x)\n  output %a as \"a\"\n}", gpu));
  const Tensor x = noise(DType::kF32, {5}, 5).tensor();
  const OnDevice memory(gpu, x.bytes() + 2);
  gpu.device().copy(memory.data() + 2, x.data(), x.bytes(), 0);
  const auto got = engine->create_context()->run(std::vector<Datum>{at(x, memory.data() + 2)});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(got[0].tensor().as<float>()[i], -x.as<float>()[i]);
}

// A cache that is read and rewritten in place.
TEST(CudaDeviceMemory, AnOutputInTheMemoryOfAnInput) {
  EmulatedGpu gpu;
  const std::string text = R"(
graph "cache" {
  input %x : float32[4]
  input %cache : float32[4]
  %next = Add(%cache, %x)
  %y = Mul(%cache, %x)
  output %next as "next"
  output %y as "y"
})";
  const auto engine = Engine::create(build_for_gpu(text, gpu));
  const auto context = engine->create_context();
  const Tensor x = noise(DType::kF32, {4}, 6).tensor(), cache = noise(DType::kF32, {4}, 7).tensor();
  const OnDevice on_device_x(gpu, x), on_device(gpu, cache);
  context->set_output(0, on_device.bytes());
  std::vector<Datum> want{cache};
  for (int run = 0; run < 3; ++run) {
    want = reference(text, {x, want[0]});
    const auto got =
        context->run(std::vector<Datum>{at(x, on_device_x.data()), at(cache, on_device.data())});
    expect_same(on_device.read(cache), want[0].tensor(), concat("cache, run ", run));
    expect_same(got[1].tensor(), want[1].tensor(), concat("y, run ", run));
  }
}

TEST(CudaDeviceMemory, AllocatorsOfDeviceMemory) {
  EmulatedGpu gpu;
  const auto engine = Engine::create(build_for_gpu(R"(
graph "allocated" {
  input %x : float32[2, 3]
  %a = Relu(%x)
  %z = NonZero(%x)
  output %a as "a"
  output %z as "z"
})",
                                                   gpu));
  const auto context = engine->create_context();
  std::vector<std::unique_ptr<OnDevice>> given(2);
  context->set_allocator([&](int output, size_t bytes) {
    auto& memory = given[static_cast<size_t>(output)];
    memory = std::make_unique<OnDevice>(gpu, bytes);
    return memory->data();
  });
  const Tensor x = noise(DType::kF32, {2, 3}, 8).tensor();
  const auto got = context->run(std::vector<Datum>{x});
  const Tensor nonzero = got[1].tensor();
  EXPECT_EQ(nonzero.data(), given[1]->data());
  EXPECT_EQ(given[1]->read(nonzero).as<int64_t>()[5], 1);
  EXPECT_EQ(given[0]->read(x).as<float>()[0], std::max(0.0F, x.as<float>()[0]));
}

// A stream that is recorded waits for nothing that is not, however the last run was made.
TEST(CudaDeviceMemory, RunsIntoARecordingOfTheCallers) {
  EmulatedGpu gpu;
  const auto engine = Engine::create(build_for_gpu(
      "graph \"g\" {\n  input %x : float32[5]\n  %a = Exp(%x)\n  output %a as \"a\"\n}", gpu));
  const auto context = engine->create_context();
  const Tensor x = noise(DType::kF32, {5}, 9).tensor();
  const OnDevice in(gpu, x), out(gpu, x.bytes());
  context->set_output(0, out.bytes());
  const std::vector<Datum> inputs{at(x, in.data())};
  const auto stream = gpu.device().create_stream();
  context->set_stream(std::nullopt, false);
  context->run(inputs);
  context->set_stream(reinterpret_cast<void*>(stream), false);
  gpu.device().begin_capture(stream);
  context->run(inputs);
  const auto graph = gpu.device().end_capture(stream);
  gpu.device().fill(out.data(), 0, x.bytes(), 0);
  gpu.device().launch_graph(graph, stream);
  EXPECT_NEAR(out.read(x).as<float>()[2], std::exp(x.as<float>()[2]), 1e-5);
}

constexpr const char* kGather = R"(
graph "gather" {
  input %x : float32[4, 3]
  input %i : int64[2]
  %y = Gather(%x, %i) {name="rows"}
  output %y as "y"
})";

Datum indices(int64_t a, int64_t b) {
  Tensor t(DType::kI64, {2});
  t.as<int64_t>()[0] = a;
  t.as<int64_t>()[1] = b;
  return t;
}

TEST(CudaDeviceMemory, AnIndexOutOfRangeNamesItsNodeAndIsForgotten) {
  EmulatedGpu gpu;
  const auto engine = Engine::create(build_for_gpu(kGather, gpu));
  const auto context = engine->create_context();
  const Datum x = noise(DType::kF32, {4, 3}, 10);
  for (int run = 0; run < 3; ++run) {
    EXPECT_EQ(context->run(std::vector<Datum>{x, indices(1, -4)}).size(), 1U);
    try {
      context->run(std::vector<Datum>{x, indices(1, 4)});
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidValue);
      EXPECT_NE(std::string(error.what()).find("Gather node \""), std::string::npos);
      EXPECT_FALSE(error.node().empty());
    }
  }
  // What a run that nobody waited for met is not the next one's.
  const OnDevice out(gpu, 24);
  context->set_output(0, out.bytes());
  context->set_stream(std::nullopt, false);
  context->run(std::vector<Datum>{x, indices(1, 4)});
  context->set_stream(std::nullopt, true);
  EXPECT_EQ(context->run(std::vector<Datum>{x, indices(0, 3)}).size(), 1U);
}

// A run that throws in its middle is over: nothing of it may be under way.
TEST(CudaDeviceMemory, ARunThatThrowsIsWaitedFor) {
  EmulatedGpu gpu;
  const auto engine = Engine::create(build_for_gpu(R"(
graph "throws" {
  input %x : float32[n, 3]
  input %y : float32[n, 1]
  input %i : int64[1]
  %a = Relu(%x)
  %b = ReverseSequence(%y, %i) {batch_axis=1, time_axis=0}
  output %a as "a"
  output %b as "b"
})",
                                                   gpu));
  const auto context = engine->create_context();
  const std::vector<Datum> inputs{noise(DType::kF32, {2, 3}, 1), noise(DType::kF32, {2, 1}, 2),
                                  Tensor::vector_i64(std::vector<int64_t>{99})};
  EXPECT_THROW(context->run(inputs), Error);
  EXPECT_TRUE(gpu.is_idle());
}

}  // namespace
}  // namespace planish
