// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "plan/file_format.h"
#include "plan/reader.h"
#include "plan/verify.h"
#include "plan/writer.h"
#include "runtime/context.h"
#include "unit/plan/plan_support.h"

namespace planish {
namespace {

using plan::Plan;
using test::error_of;
using Bytes = std::vector<std::byte>;

Plan read(const Bytes& bytes) { return plan::read_plan(std::span<const std::byte>(bytes)); }
ErrorCode code_of(const Bytes& bytes) {
  return error_of([&] { read(bytes); }).code();
}

template <class T>
T get(const Bytes& bytes, size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
template <class T>
void put(Bytes& bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

// Gives a changed header the hash that belongs to it, if there is room for a header.
void seal(Bytes& bytes) {
  const auto header = get<uint32_t>(bytes, 12);
  if (header < plan::file::kCommandOffset || header > bytes.size()) return;
  put(bytes, plan::file::kHashOffset, plan::file::header_hash(std::span(bytes).first(header)));
}

TEST(PlanFile, RoundTripKeepsEveryField) {
  const Plan before = test::full_plan();
  plan::verify(before);
  const Bytes bytes = plan::write_plan(before);
  const Plan after = read(bytes);
  EXPECT_EQ(plan::write_plan(after), bytes);
  EXPECT_EQ(after.made_by, before.made_by);
  EXPECT_EQ(after.target.properties, before.target.properties);
  EXPECT_EQ(after.metadata, before.metadata);
  ASSERT_EQ(after.programs.size(), before.programs.size());
  for (size_t p = 0; p < after.programs.size(); ++p) {
    const plan::Program &a = after.programs[p], &b = before.programs[p];
    ASSERT_EQ(a.values.size(), b.values.size());
    for (size_t v = 0; v < a.values.size(); ++v) {
      EXPECT_EQ(a.values[v].type, b.values[v].type) << v;
      EXPECT_EQ(a.values[v].storage, b.values[v].storage);
      EXPECT_EQ(a.values[v].offset, b.values[v].offset);
    }
    ASSERT_EQ(a.steps.size(), b.steps.size());
    for (size_t s = 0; s < a.steps.size(); ++s) {
      EXPECT_EQ(a.steps[s].attributes, b.steps[s].attributes) << s;
      EXPECT_EQ(a.steps[s].inputs, b.steps[s].inputs);
      EXPECT_EQ(a.steps[s].outputs, b.steps[s].outputs);
    }
  }
  ASSERT_EQ(after.constants.size(), before.constants.size());
  for (size_t c = 0; c < after.constants.size(); ++c) {
    EXPECT_TRUE(equal(Attribute(after.constants[c].data), Attribute(before.constants[c].data)))
        << c;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(after.constants[c].data.data()) % 64, 0u);
  }
  ASSERT_EQ(after.sections.size(), 2u);
  EXPECT_EQ(after.sections[0].data.bytes.size(), 10000u);
  EXPECT_EQ(after.sections[1].data.bytes[2], std::byte{23});
  EXPECT_TRUE(std::signbit(after.main().steps[0].attributes.real("real")));
}

TEST(PlanFile, FilesAreMappedOrCopied) {
  const test::TempFolder folder;
  const std::string path = folder.at("p.plan"), again = folder.at("q.plan");
  plan::save_plan(test::full_plan(), path);
  EXPECT_EQ(test::bytes_of(path), plan::write_plan(test::full_plan()));
  for (const FileAccess access : {FileAccess::kMap, FileAccess::kCopy}) {
    const Plan plan = plan::load_plan(path, access);
    EXPECT_EQ(plan.unchecked != nullptr, access == FileAccess::kMap);
    plan::save_plan(plan, again);
    EXPECT_EQ(test::bytes_of(again), test::bytes_of(path));
  }
  // Over the very file that is mapped.
  plan::save_plan(plan::load_plan(path), path);
  EXPECT_EQ(test::bytes_of(again), test::bytes_of(path));
}

TEST(PlanFile, EveryTruncationIsRefused) {
  const Bytes bytes = plan::write_plan(test::full_plan());
  for (size_t n = 0; n < bytes.size(); n += n < 2048 ? 1 : 61) {
    Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    ASSERT_EQ(code_of(cut), ErrorCode::kInvalidPlan) << n;
    if (n < plan::file::kCommandOffset) continue;
    // With a length that fits, the sections still do not.
    put<uint64_t>(cut, 16, n);
    seal(cut);
    ASSERT_EQ(code_of(cut), ErrorCode::kInvalidPlan) << n;
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_EQ(code_of(longer), ErrorCode::kInvalidPlan);
  put<uint64_t>(longer, 16, longer.size());
  seal(longer);
  EXPECT_EQ(code_of(longer), ErrorCode::kInvalidPlan);
}

TEST(PlanFile, EverySingleByteEditIsRefused) {
  const Bytes bytes = plan::write_plan(test::small_plan());
  ASSERT_LT(bytes.size(), 20000u);
  // The reader takes aligned bytes as they are, so an edit costs no copy.
  const std::shared_ptr<std::byte> block = allocate_bytes(bytes.size());
  std::memcpy(block.get(), bytes.data(), bytes.size());
  const OwnedBytes view{.bytes = {block.get(), bytes.size()}, .owner = block};
  EXPECT_EQ(error_of([&] { plan::read_plan(view, false); }).code(), ErrorCode::kOk);
  for (size_t i = 0; i < bytes.size(); ++i)
    for (const int flip : {0x01, 0x80, 0xFF}) {
      block.get()[i] ^= static_cast<std::byte>(flip);
      const Error error = error_of([&] { plan::read_plan(view, false); });
      block.get()[i] ^= static_cast<std::byte>(flip);
      ASSERT_EQ(error.code(), ErrorCode::kInvalidPlan) << i;
    }
}

// A plan whose tables may be changed: the hashes over them are made right again.
class Forger {
 public:
  Forger() : bytes_(plan::write_plan(test::full_plan())), block_(allocate_bytes(bytes_.size())) {
    header_ = get<uint32_t>(bytes_, 12);
    entry_ = plan::file::kCommandOffset + (get<uint32_t>(bytes_, 28) + 7) / 8 * 8;
    offset_ = get<uint64_t>(bytes_, entry_ + 8);
    length_ = get<uint64_t>(bytes_, entry_ + 16);
  }
  size_t first() const { return offset_; }
  size_t last() const { return offset_ + length_; }
  Bytes& bytes() { return bytes_; }

  Error attempt() {
    std::memcpy(block_.get(), bytes_.data(), bytes_.size());
    const std::span<std::byte> all(block_.get(), bytes_.size());
    const Hash128 hash = hash128(std::span<const std::byte>(all.subspan(offset_, length_)));
    std::memcpy(block_.get() + entry_ + 24, &hash, sizeof(hash));
    const Hash128 head = plan::file::header_hash(all.first(header_));
    std::memcpy(block_.get() + plan::file::kHashOffset, &head, sizeof(head));
    return error_of([&] { plan::read_plan({.bytes = all, .owner = block_}, true); });
  }

 private:
  Bytes bytes_;
  std::shared_ptr<std::byte> block_;
  size_t header_ = 0, entry_ = 0, offset_ = 0, length_ = 0;
};

// Whatever tables with the right hash say, they are refused or valid.
TEST(PlanFile, HostileTablesAreRefusedOrValid) {
  Forger forger;
  ASSERT_EQ(forger.attempt().code(), ErrorCode::kOk);
  Bytes& bytes = forger.bytes();
  size_t refused = 0;
  const auto attempt = [&](size_t i) {
    const Error error = forger.attempt();
    refused += error.code() != ErrorCode::kOk;
    ASSERT_TRUE(error.code() == ErrorCode::kOk || error.code() == ErrorCode::kInvalidPlan)
        << i << " " << error.code_name() << ": " << error.what();
  };
  for (size_t i = forger.first(); i < forger.last(); ++i) {
    const std::byte before = bytes[i];
    for (const int value : {0x00, 0x7F, 0xFF, std::to_integer<int>(before) + 1}) {
      bytes[i] = static_cast<std::byte>(value);
      attempt(i);
    }
    bytes[i] = before;
  }
  for (size_t i = forger.first(); i + 4 <= forger.last(); i += 4) {
    const auto before = get<uint32_t>(bytes, i);
    for (const uint32_t value : {0x7FFFFFFFu, 0x80000000u, 0x00010000u}) {
      put(bytes, i, value);
      attempt(i);
    }
    put(bytes, i, before);
  }
  EXPECT_GT(refused, 1000u);
}

TEST(PlanFile, DamagedWeightsAreFoundAtTheFirstContext) {
  const test::TempFolder folder;
  const std::string path = folder.at("p.plan");
  Bytes bytes = plan::write_plan(test::small_plan());
  bytes[bytes.size() - 5] ^= std::byte{4};
  test::put_bytes(path, bytes);
  EXPECT_EQ(error_of([&] { plan::load_plan(path, FileAccess::kCopy); }).code(),
            ErrorCode::kInvalidPlan);
  const auto engine = Engine::load(path, {.threads = 1});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(error_of([&] { engine->create_context(); }).code(), ErrorCode::kInvalidPlan);
  EXPECT_EQ(error_of([&] { plan::write_plan(engine->plan()); }).code(), ErrorCode::kInvalidPlan);
}

TEST(PlanFile, OtherFormatsNameTheirMaker) {
  Plan plan = test::small_plan();
  plan.made_by = "9.8.7";
  Bytes bytes = plan::write_plan(plan);
  put<uint32_t>(bytes, 8, 77);
  seal(bytes);
  const Error error = error_of([&] { read(bytes); });
  EXPECT_EQ(error.code(), ErrorCode::kVersionMismatch);
  EXPECT_NE(std::string(error.what()).find("9.8.7"), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("planish build small.onnx -o small.plan"), std::string::npos)
      << error.hint();
}

TEST(PlanFile, WhatIsNoPlanIsSaidToBeNone) {
  const test::TempFolder folder;
  for (const char* content : {"", "x", "\x08\x07 an ONNX model", "\x89PLAN\n\n"}) {
    const std::string path = folder.at("f");
    write_file(path, std::as_bytes(std::span(content, std::strlen(content))));
    const Error error = error_of([&] { plan::load_plan(path); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidPlan) << content;
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(error_of([&] { plan::load_plan(folder.path()); }).code(), ErrorCode::kFileError);
  EXPECT_EQ(error_of([&] { plan::load_plan(folder.at("missing")); }).code(), ErrorCode::kFileError);
}

TEST(PlanFile, LoadedPlansRun) {
  const test::TempFolder folder;
  const std::string path = folder.at("p.plan");
  plan::save_plan(test::small_plan(), path);
  Tensor x(DType::kF32, {2, 300});
  for (int i = 0; i < 600; ++i) x.as<float>()[i] = static_cast<float>(i) / 100 - 3;
  const Datum input(x);
  const std::vector<Datum> expected =
      Engine::create(test::small_plan(), {.threads = 1})->create_context()->run({&input, 1});
  for (const bool map : {true, false}) {
    const auto context = Engine::load(path, {.threads = 1}, map)->create_context();
    const std::vector<Datum> got = context->run({&input, 1});
    EXPECT_TRUE(equal(Attribute(got[0].tensor()), Attribute(expected[0].tensor())));
  }
}

// Plans of released versions load, or are refused with the version that made them.
TEST(PlanFile, GoldenPlansLoad) {
  const std::string path = std::string(PLANISH_TEST_DATA) + "/golden/format_1.plan";
  const Plan plan = plan::load_plan(path, FileAccess::kCopy);
  EXPECT_EQ(plan::write_plan(plan), test::bytes_of(path))
      << "the format changed: give it a new number";
  Tensor x(DType::kF32, {1, 300});
  std::memset(x.data(), 0, x.bytes());
  const Datum input(x);
  const auto out = Engine::create(plan, {.threads = 1})->create_context()->run({&input, 1});
  EXPECT_EQ(out[0].tensor().as<float>()[6], 3);
  EXPECT_EQ(out[0].tensor().as<float>()[0], 0);
}

TEST(PlanFile, GoldenTablesLoad) {
  const std::string path = std::string(PLANISH_TEST_DATA) + "/golden/format_1_full.plan";
  const Plan plan = plan::load_plan(path, FileAccess::kCopy);
  EXPECT_EQ(plan::write_plan(plan), test::bytes_of(path))
      << "the format changed: give it a new number";
  EXPECT_EQ(plan.main().steps[0].attributes, test::full_plan().main().steps[0].attributes);
}

TEST(PlanFile, LoadingDoesNotTouchWeights) {
  const test::TempFolder folder;
  Plan plan = test::small_plan();
  // 256 MiB of weights beside those of the network.
  Tensor big(DType::kU8, {int64_t{256} << 20});
  std::memset(big.data(), 1, big.bytes());
  big.data()[0] = std::byte{2};
  plan.constants.push_back({.data = big, .dims = big.dims()});
  plan::save_plan(plan, folder.at("big.plan"));
  const auto begin = std::chrono::steady_clock::now();
  const Plan loaded = plan::load_plan(folder.at("big.plan"));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("microseconds", static_cast<int>(seconds * 1e6));
  EXPECT_EQ(loaded.constants[1].data.bytes(), big.bytes());
  loaded.unchecked->run(2);
}

}  // namespace
}  // namespace planish
