// SPDX-License-Identifier: Apache-2.0
// The emulator finds what it is there to find: each planted fault under one of the schedules that
// KernelCase uses, and none in the kernel without.
#include "emulator/emulator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace planish::emulator {
namespace {

struct Params {
  uint64_t x, y, counter;
};

struct Result {
  Fault fault = Fault::kNone;
  std::string message;
  bool is_right = false;
};

// Two blocks of 64 threads.
Result run(const char* entry, uint64_t seed, bool starve, Contents contents) {
  constexpr int kSize = 128;
  const Module module(std::string(PLANISH_EMULATED) + "/faults.so");
  std::vector<float> x(kSize), y(kSize, -1);
  for (int i = 0; i < kSize; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i);
  int32_t counter = 0;
  Memory memory;
  memory.add(x.data(), sizeof(float) * kSize, contents);
  memory.add(y.data(), sizeof(float) * kSize, Contents::kUnwritten);
  memory.add(&counter, sizeof(counter), Contents::kWritten);
  const Params params{reinterpret_cast<uint64_t>(x.data()), reinterpret_cast<uint64_t>(y.data()),
                      reinterpret_cast<uint64_t>(&counter)};
  LaunchOptions options;
  options.grid[0] = 2;
  options.threads = 64;
  options.shared_bytes = std::string(entry) == "kUnwritten" ? 512 : 256;
  options.params = std::as_bytes(std::span(&params, 1));
  options.seed = seed;
  options.starve = starve;
  const Outcome outcome = launch(module, entry, memory, options);
  Result r{outcome.fault, outcome.message, counter == 2};
  for (int i = 0; i < kSize; ++i) {
    const int partner = i / 64 * 64 + 63 - i % 64;
    r.is_right = r.is_right && y[static_cast<size_t>(i)] == static_cast<float>(i + partner);
  }
  return r;
}

const std::pair<uint64_t, bool> kSchedules[] = {{0, false}, {1, false}, {6, true}};

TEST(Emulator, FindsNothingInARightKernel) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Result r = run("kNothing", seed, seed % 3 == 0, Contents::kWritten);
    EXPECT_EQ(r.fault, Fault::kNone) << r.message;
    EXPECT_TRUE(r.is_right) << seed;
  }
}

TEST(Emulator, FindsPlantedFaults) {
  struct Case {
    const char* entry;
    std::vector<Fault> faults;  // any of these; empty: a wrong result
    Contents contents = Contents::kWritten;
  };
  const Case cases[] = {
      {"kNoBarrier", {Fault::kUninitialisedRead}},
      {"kNoWait", {Fault::kUninitialisedRead}},
      {"kNoCommit", {Fault::kUninitialisedRead}},
      {"kEarly", {Fault::kUnordered}},
      {"kPastTheEnd", {Fault::kOutOfBounds}},
      {"kPastShared", {Fault::kOutOfBounds}},
      {"kUnwritten", {Fault::kUninitialisedRead}},
      {"kMisaligned", {Fault::kMisaligned}},
      {"kLaneMissing", {Fault::kDeadlock}},
      {"kOtherInstruction", {Fault::kDivergence}},
      {"kBarrierMissed", {Fault::kDeadlock}},
      {"kBarrierReused", {}},
      {"kWeightsWritten", {Fault::kUnordered}, Contents::kConstant},
      {"kTicketUnguarded", {}},
  };
  for (const Case& c : cases) {
    bool is_found = false;
    std::string seen;
    for (const auto& [seed, starve] : kSchedules) {
      const Result r = run(c.entry, seed, starve, c.contents);
      seen += std::string(fault_name(r.fault)) + " " + r.message + "; ";
      if (r.fault == Fault::kNone) {
        is_found = is_found || (c.faults.empty() && !r.is_right);
      } else {
        is_found = is_found || std::count(c.faults.begin(), c.faults.end(), r.fault) != 0;
      }
    }
    EXPECT_TRUE(is_found) << c.entry << ": " << seen;
  }
}

TEST(Emulator, TellsWhere) {
  const Result r = run("kPastShared", 1, false, Contents::kWritten);
  EXPECT_NE(r.message.find("kPastShared: out of bounds: block "), std::string::npos) << r.message;
  EXPECT_NE(r.message.find(" thread 5: shared at 256, line "), std::string::npos) << r.message;
}

TEST(Emulator, SameSeedSameRun) {
  for (const uint64_t seed : {3, 7}) {
    const Result first = run("kNoBarrier", seed, true, Contents::kWritten);
    const Result second = run("kNoBarrier", seed, true, Contents::kWritten);
    EXPECT_EQ(first.message, second.message);
  }
}

TEST(Emulator, RefusesImpossibleLaunches) {
  const Module module(std::string(PLANISH_EMULATED) + "/faults.so");
  Memory memory;
  LaunchOptions options;
  options.threads = 1025;
  EXPECT_EQ(launch(module, "kNothing", memory, options).fault, Fault::kBadLaunch);
  options.threads = 64;
  options.grid[1] = 65536;
  EXPECT_EQ(launch(module, "kNothing", memory, options).fault, Fault::kBadLaunch);
  options.grid[1] = 1;
  EXPECT_EQ(launch(module, "none", memory, options).fault, Fault::kBadLaunch);
  EXPECT_THROW(Module("/nowhere.so"), std::runtime_error);
}

TEST(Emulator, CompilesSources) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("planish_emulator_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string library = (folder / "kernels.so").string();
  EXPECT_NE(compile_kernels("#include \"device.cuh\"\nnonsense", library), "");
  EXPECT_EQ(compile_kernels(
                "#include \"device.cuh\"\n"
                "extern \"C\" PLANISH_KERNEL(32, 1) void entry(PLANISH_PARAMS(planish::u64) p) {\n"
                "  planish::wait_for_predecessor();\n"
                "  planish::store(planish::pointer<planish::i32>(p), 42);\n"
                "}\n",
                library),
            "");
  int32_t value = 0;
  Memory memory;
  memory.add(&value, sizeof(value), Contents::kUnwritten);
  const auto address = reinterpret_cast<uint64_t>(&value);
  LaunchOptions options;
  options.params = std::as_bytes(std::span(&address, 1));
  {
    const Module module(library);
    const Outcome outcome = launch(module, "entry", memory, options);
    EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.message;
  }
  EXPECT_EQ(value, 42);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace planish::emulator
