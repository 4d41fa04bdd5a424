// SPDX-License-Identifier: Apache-2.0
#include "tuner/timing_cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "unit/plan/plan_support.h"

namespace planish::test {
namespace {

using testing::HasSubstr;
using tuner::CachedChoices;
using tuner::read_choices;
using tuner::TimingCache;
using tuner::write_choices;

CachedChoices full_choices() {
  return {{"a problem, of several words\nand lines \\ with \\s",
           {.tactic = "cpu.conv",
            .measured = true,
            .level = 3,
            .seconds = {{"cpu.conv", 1.25e-3}, {"onednn.conv", 0.1}},
            .refusals = {{"third", "it is wrong: 1 instead of 2"}}}},
          {"", {.tactic = "", .measured = false, .level = 0}}};
}

std::string with_hash(const std::string& body) {
  return concat("planish timing cache 1\nhash ", hash128(body).hex(), "\n", body);
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(TimingCacheText, RoundTrip) {
  const std::string text = write_choices(full_choices());
  EXPECT_EQ(read_choices(text), full_choices());
  EXPECT_EQ(write_choices(read_choices(text)), text);
}

TEST(TimingCacheText, EveryTruncationAndEditIsFound) {
  const std::string text = write_choices(full_choices());
  for (size_t i = 0; i < text.size(); ++i)
    EXPECT_EQ(error_of([&] { read_choices(text.substr(0, i)); }).code(), ErrorCode::kFileError)
        << i;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string edited = text;
    edited[i] = static_cast<char>(edited[i] ^ 1);
    EXPECT_EQ(error_of([&] { read_choices(edited); }).code(), ErrorCode::kFileError) << i;
  }
}

TEST(TimingCacheText, ARightHashDoesNotMakeItRight) {
  for (const char* body :
       {"tactic a measured 1\n", "problem a\nproblem a\n", "problem\n", "problem a b\n",
        "problem a\ntactic b sometimes 1\n", "problem a\ntactic b measured x\n",
        "problem a\ntactic b measured 99999999999999999999\n", "problem a\ntime b 1e\n",
        "problem a\nelse\n", "problem a\\x\n", "problem a\\\n", "problem a", "\n"})
    EXPECT_EQ(error_of([&] { read_choices(with_hash(body)); }).code(), ErrorCode::kFileError)
        << body;
}

TEST(TimingCacheText, TimesAreNumbersOfSeconds) {
  for (const char* time : {"nan", "inf", "-1", "1e999", "x"}) {
    const std::string body = concat("problem p\ntactic t measured 3\ntime t ", time, "\n");
    const std::string text =
        concat("planish timing cache 1\nhash ", hash128(body).hex(), "\n", body);
    EXPECT_THROW(read_choices(text), Error) << time;
  }
}

TEST(TimingCache, SavesAndLoads) {
  const TempFolder folder;
  const std::string path = folder.at("cache");
  TimingCache cache(path);
  EXPECT_EQ(cache.find("k"), nullptr);
  cache.save();
  EXPECT_FALSE(std::filesystem::exists(path));  // nothing to say, nothing written
  cache.put("k", {.tactic = "a", .measured = true, .level = 3});
  cache.save();
  ASSERT_NE(TimingCache(path).find("k"), nullptr);
  EXPECT_EQ(TimingCache(path).find("k")->tactic, "a");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(TimingCache, MergesWithWhatOthersSaved) {
  const TempFolder folder;
  const std::string path = folder.at("cache");
  TimingCache one(path), two(path);
  one.put("both", {.tactic = "first", .measured = true, .level = 3});
  one.put("guess", {.tactic = "guessed", .measured = false, .level = 3});
  one.put("one", {.tactic = "a"});
  two.put("both", {.tactic = "second", .measured = true, .level = 3});
  two.put("guess", {.tactic = "measured", .measured = true, .level = 1});
  two.put("two", {.tactic = "b"});
  one.save();
  two.save();
  const TimingCache merged(path);
  EXPECT_EQ(merged.choices().size(), 4U);
  EXPECT_EQ(merged.find("both")->tactic, "first");
  EXPECT_EQ(merged.find("guess")->tactic, "measured");
  EXPECT_EQ(two.choices(), merged.choices());  // the later one goes by the file from now on
}

TEST(TimingCache, ProcessesThatSaveAtOnceLoseNothing) {
  const TempFolder folder;
  const std::string path = folder.at("cache");
  constexpr int kProcesses = 4, kSaves = 25;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int code = 1;
      try {
        TimingCache cache(path);
        for (int i = 0; i < kSaves; ++i) {
          cache.put(concat("problem ", p, ".", i), {.tactic = "a", .measured = true, .level = 3});
          cache.save();
        }
        code = 0;
      } catch (const Error&) {
      }
      _exit(code);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(TimingCache(path).choices().size(), size_t{kProcesses} * kSaves);
}

TEST(TimingCache, ThreadsThatSaveAtOnceLoseNothing) {
  const TempFolder folder;
  const std::string path = folder.at("cache");
  constexpr int kThreads = 4, kSaves = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TimingCache cache(path);
      for (int i = 0; i < kSaves; ++i) {
        cache.put(concat("problem ", t, ".", i), {.tactic = "a", .measured = true, .level = 3});
        cache.save();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(TimingCache(path).choices().size(), size_t{kThreads} * kSaves);
}

TEST(TimingCache, ADamagedOneIsLeftOutWithAWarningAndReplaced) {
  const TempFolder folder;
  const std::string path = folder.at("cache");
  std::string text = write_choices(full_choices());
  text[text.size() - 3] ^= 1;
  std::ofstream(path) << text;
  std::string warning;
  set_log(LogLevel::kWarning, [&](LogLevel, const std::string& message) { warning += message; });
  TimingCache cache(path);
  set_log(LogLevel::kWarning, nullptr);
  EXPECT_TRUE(cache.choices().empty());
  EXPECT_THAT(warning, HasSubstr("damaged"));
  EXPECT_THAT(warning, HasSubstr(path));
  cache.put("k", {.tactic = "a"});
  cache.save();
  EXPECT_EQ(TimingCache(path).choices().size(), 1U);
}

TEST(TimingCache, AnEmptyFileIsAnEmptyCache) {
  const TempFolder folder;
  const std::string path = folder.at("cache");
  std::ofstream(path) << "";
  TimingCache cache(path);
  cache.put("k", {.tactic = "a"});
  cache.save();
  EXPECT_EQ(TimingCache(path).choices().size(), 1U);
}

TEST(TimingCache, SomethingElseIsRefusedAndLeftAlone) {
  const TempFolder folder;
  const std::string path = folder.at("model.onnx");
  for (const char* content : {"\x08\x09 a model", "planish timing cache x\n",
                              "planish timing cache -1\n", "planish timing cache 2\nanything"}) {
    std::ofstream(path) << content;
    const Error error = error_of([&] { TimingCache cache(path); });
    EXPECT_EQ(error.code(), ErrorCode::kFileError);
    EXPECT_THAT(error.what(), HasSubstr(path));
    EXPECT_FALSE(error.hint().empty());
    EXPECT_EQ(text_of(path), content);
  }
}

TEST(TimingCache, PathsThatCannotBe) {
  const TempFolder folder;
  const std::string fifo = folder.at("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, folder.path(), folder.at("none/cache")})
    EXPECT_EQ(error_of([&] { TimingCache cache(path); }).code(), ErrorCode::kFileError) << path;
}

TEST(TimingCache, ASymbolicLinkStaysOne) {
  const TempFolder folder;
  std::filesystem::create_directory(folder.at("real"));
  std::filesystem::create_symlink("real/cache", folder.at("link"));
  TimingCache cache(folder.at("link"));
  cache.put("k", {.tactic = "a"});
  cache.save();
  EXPECT_TRUE(std::filesystem::is_symlink(folder.at("link")));
  EXPECT_EQ(TimingCache(folder.at("real/cache")).choices().size(), 1U);
}

}  // namespace
}  // namespace planish::test
