// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string pattern = (fs::temp_directory_path() / "planish-file-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  static std::string text(const OwnedBytes& b) {
    return {reinterpret_cast<const char*>(b.bytes.data()), b.bytes.size()};
  }
  static void put(const std::string& path, std::string_view content) {
    write_file(path, std::as_bytes(std::span(content)));
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  std::string folder_;
};

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFileError) << error.what();
    return error.what();
  }
  return "no error";
}

TEST_F(FileTest, WritesAndReadsBothWays) {
  put(at("a"), "hello");
  EXPECT_EQ(text(load_file(at("a"))), "hello");
  EXPECT_EQ(text(load_file(at("a"), FileAccess::kCopy)), "hello");
  put(at("a"), "");
  EXPECT_EQ(text(load_file(at("a"))), "");
  EXPECT_EQ(text(load_file(at("a"), FileAccess::kCopy)), "");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, MapsUnalignedRangesAndRefusesOthers) {
  std::string content(20000, 'x');
  content.replace(9001, 3, "abc");
  put(at("a"), content);
  const File file(at("a"));
  EXPECT_EQ(text(file.map(9001, 3)), "abc");
  EXPECT_NE(message_of([&] { file.map(19999, 2); }).find("20000 bytes"), std::string::npos);
  EXPECT_NE(message_of([&] { file.map(UINT64_MAX, 2); }), "no error");
  std::byte three[3];
  file.read(9001, three);
  EXPECT_EQ(std::memcmp(three, "abc", 3), 0);
}

TEST_F(FileTest, RefusesWhatIsNoRegularFile) {
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  EXPECT_NE(message_of([&] { File f(at("pipe")); }).find("named pipe"), std::string::npos);
  EXPECT_NE(message_of([&] { File f(folder_); }).find("folder"), std::string::npos);
  EXPECT_NE(message_of([&] { File f("/dev/null"); }).find("device"), std::string::npos);
  EXPECT_NE(message_of([&] { File f(at("missing")); }).find("No such file"), std::string::npos);
  EXPECT_NE(message_of([&] { File f(""); }), "no error");
  EXPECT_NE(message_of([&] { File f(std::string("a\0b", 3)); }), "no error");
  EXPECT_NE(message_of([&] { put(at("pipe"), "x"); }).find("named pipe"), std::string::npos);
  EXPECT_NE(message_of([&] { put("/dev/null", "x"); }).find("device"), std::string::npos);
  EXPECT_NE(message_of([&] { put(folder_, "x"); }).find("folder"), std::string::npos);
  EXPECT_NE(message_of([&] { put(at("none/x"), "x"); }), "no error");
}

TEST_F(FileTest, AbandonedWriteLeavesTheOldFileAlone) {
  put(at("a"), "old");
  {
    AtomicFile file(at("a"));
    file.write("new");
  }
  EXPECT_EQ(text(load_file(at("a"))), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, KeepsSymbolicLinksAndPermissions) {
  put(at("real"), "old");
  ASSERT_EQ(chmod(at("real").c_str(), 0640), 0);
  ASSERT_EQ(symlink("real", at("link").c_str()), 0);
  put(at("link"), "new");
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(text(load_file(at("real"))), "new");
  struct stat status {};
  ASSERT_EQ(stat(at("real").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  ASSERT_EQ(symlink("loop", at("loop").c_str()), 0);
  EXPECT_NE(message_of([&] { put(at("loop"), "x"); }), "no error");
}

TEST_F(FileTest, LongestNameCanBeWritten) {
  put(at(std::string(255, 'n')), "x");
  EXPECT_EQ(text(load_file(at(std::string(255, 'n')))), "x");
}

// A mapping keeps the old content when the file is replaced.
TEST_F(FileTest, MappingSurvivesReplacement) {
  put(at("a"), "old");
  const OwnedBytes mapped = load_file(at("a"));
  put(at("a"), "new");
  EXPECT_EQ(text(mapped), "old");
}

TEST_F(FileTest, KilledWriterLeavesTheOldFileOrTheNewOne) {
  const std::string old_content(100000, 'o'), new_content(3000000, 'n');
  for (int round = 0; round < 8; ++round) {
    put(at("a"), old_content);
    const pid_t child = fork();
    if (child == 0) {
      for (;;) {
        put(at("a"), new_content);
        put(at("a"), old_content);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + 700 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::string got = text(load_file(at("a")));
    EXPECT_TRUE(got == old_content || got == new_content) << got.size();
  }
}

}  // namespace
}  // namespace planish
