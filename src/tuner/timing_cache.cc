// SPDX-License-Identifier: Apache-2.0
#include "tuner/timing_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::tuner {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "planish timing cache ";
constexpr int kVersion = 1;
constexpr uint64_t kMostBytes = uint64_t{256} << 20;

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::kFileError, concat("the timing cache is damaged: ", what));
}

// A word of a line: no blank, no line end, never empty.
void write_word(std::string& out, std::string_view word) {
  if (word.empty()) out += "\\e";
  for (const char c : word) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case ' ': out += "\\s"; break;
      case '\n': out += "\\n"; break;
      default: out += c;
    }
  }
}

std::string read_word(std::string_view word) {
  if (word == "\\e") return {};
  std::string out;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '\\') {
      out += word[i];
      continue;
    }
    const char c = ++i < word.size() ? word[i] : '\0';
    if (c != '\\' && c != 's' && c != 'n') damaged("it has an unknown escape");
    out += c == 's' ? ' ' : c == 'n' ? '\n' : '\\';
  }
  return out;
}

void write_line(std::string& out, std::initializer_list<std::string_view> words) {
  bool first = true;
  for (const std::string_view word : words) {
    if (!first) out += ' ';
    first = false;
    write_word(out, word);
  }
  out += '\n';
}

// The part up to `end`, which is skipped. Throws if there is none.
std::string_view take(std::string_view& text, char end) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) damaged("it is cut off");
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at + 1);
  return part;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (;;) {
    const size_t blank = line.find(' ');
    words.push_back(read_word(line.substr(0, blank)));
    if (blank == std::string_view::npos) return words;
    line.remove_prefix(blank + 1);
  }
}

template <class T>
T number_of(const std::string& word) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size())
    damaged(concat("\"", word, "\" is not a number"));
  return value;
}

std::string text_of(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

// The header's version; throws if the text is no timing cache.
int version_of(std::string_view text) {
  const auto refuse = [] {
    throw Error(ErrorCode::kFileError, "it is not a timing cache", "",
                "name another file for timing_cache; this one is left as it is");
  };
  if (text.substr(0, kFormat.size()) != kFormat) refuse();
  const size_t end = text.find('\n');
  int version = 0;
  const char* begin = text.data() + kFormat.size();
  const char* stop = text.data() + std::min(end, text.size());
  if (std::from_chars(begin, stop, version).ptr != stop || version < 1) refuse();
  return version;
}

// Of two choices for one problem: the measured one, then that of the greater effort, then `old`.
bool is_better(const CachedChoice& fresh, const CachedChoice& old) {
  if (fresh.measured != old.measured) return fresh.measured;
  return fresh.level > old.level;
}

CachedChoices load_choices(const std::string& path) {
  const File file(path);
  if (file.size() == 0) return {};
  try {
    if (file.size() > kMostBytes)
      throw Error(ErrorCode::kFileError,
                  concat("it has ", file.size(), " bytes, expected ", kMostBytes, " at most"));
    std::string text(file.size(), '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    if (version_of(text) > kVersion)
      throw Error(ErrorCode::kFileError, "it is a timing cache of a later format", "",
                  "name another file for timing_cache, or use a later version of Planish");
    try {
      return read_choices(text);
    } catch (const Error& error) {
      log(LogLevel::kWarning,
          concat("\"", path, "\": ", error.what(), "; it is not used and will be replaced"));
      return {};
    }
  } catch (const Error& error) {
    throw Error(error.code(), concat("cannot use \"", path, "\": ", error.what()), "",
                error.hint());
  }
}

// An exclusive lock on the folder of a file, for as long as the object lives.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& file) {
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    fd_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd_ < 0) fail(folder, errno);
    using Clock = std::chrono::steady_clock;
    constexpr auto kPatience = std::chrono::seconds(10);
    for (const auto start = Clock::now(); flock(fd_, LOCK_EX | LOCK_NB) != 0;) {
      if (errno != EWOULDBLOCK && errno != EINTR) fail(folder, errno);
      if (Clock::now() - start > kPatience) fail(folder, EWOULDBLOCK);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  ~FolderLock() { close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  [[noreturn]] void fail(const fs::path& folder, int error) const {
    if (fd_ >= 0) close(fd_);
    char buffer[128];
    throw Error(ErrorCode::kFileError,
                concat("cannot lock the folder ", folder,
                       " of the timing cache: ", strerror_r(error, buffer, sizeof(buffer))));
  }
  int fd_ = -1;
};

// Where the file really is: processes that come by different links lock one folder.
fs::path real_path(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? fs::path(path) : real;
}

}  // namespace

std::string write_choices(const CachedChoices& choices) {
  std::string body;
  for (const auto& [key, choice] : choices) {
    write_line(body, {"problem", key});
    write_line(body, {"tactic", choice.tactic, choice.measured ? "measured" : "estimated",
                      std::to_string(choice.level)});
    for (const auto& [name, seconds] : choice.seconds)
      write_line(body, {"time", name, text_of(seconds)});
    for (const auto& [name, sentence] : choice.refusals)
      write_line(body, {"refused", name, sentence});
  }
  return concat(kFormat, kVersion, "\nhash ", hash128(body).hex(), "\n", body);
}

CachedChoices read_choices(std::string_view text) {
  if (version_of(text) != kVersion) damaged("it has another format");
  take(text, '\n');
  const std::string_view hash = take(text, '\n');
  if (hash != concat("hash ", hash128(text).hex())) damaged("its hash does not fit its contents");
  CachedChoices choices;
  CachedChoice* choice = nullptr;
  while (!text.empty()) {
    const std::vector<std::string> words = words_of(take(text, '\n'));
    const std::string& kind = words[0];
    if (kind == "problem" && words.size() == 2) {
      const auto [it, is_fresh] = choices.emplace(words[1], CachedChoice{});
      if (!is_fresh) damaged("it holds one problem twice");
      choice = &it->second;
    } else if (choice == nullptr) {
      damaged("it does not begin with a problem");
    } else if (kind == "tactic" && words.size() == 4 &&
               (words[2] == "measured" || words[2] == "estimated")) {
      choice->tactic = words[1];
      choice->measured = words[2] == "measured";
      choice->level = number_of<int>(words[3]);
    } else if (kind == "time" && words.size() == 3) {
      const auto seconds = number_of<double>(words[2]);
      if (!(seconds >= 0) || std::isinf(seconds)) damaged(concat(words[2], " is no time"));
      choice->seconds[words[1]] = seconds;
    } else if (kind == "refused" && words.size() == 3) {
      choice->refusals[words[1]] = words[2];
    } else {
      damaged(concat("it has a line \"", kind, "\" of ", words.size(), " words"));
    }
  }
  return choices;
}

TimingCache::TimingCache(std::string path) : path_(std::move(path)) {
  const fs::path real = real_path(path_);
  std::error_code error;
  if (fs::exists(real, error)) {
    choices_ = load_choices(path_);
  } else if (const fs::path folder = real.parent_path();
             !folder.empty() && !fs::is_directory(folder, error)) {
    throw Error(ErrorCode::kFileError,
                concat("cannot make the timing cache \"", path_, "\": its folder does not exist"));
  }
}

const CachedChoice* TimingCache::find(std::string_view key) const {
  const auto it = choices_.find(key);
  return it == choices_.end() ? nullptr : &it->second;
}

void TimingCache::put(const std::string& key, CachedChoice choice) {
  fresh_[key] = true;
  choices_.insert_or_assign(key, std::move(choice));
}

void TimingCache::save() {
  if (path_.empty() || fresh_.empty()) return;
  const fs::path real = real_path(path_);
  const FolderLock lock(real);
  std::error_code error;
  CachedChoices all;
  if (fs::exists(real, error)) all = load_choices(path_);
  for (const auto& [key, is_fresh] : fresh_) {
    const CachedChoice& choice = choices_.at(key);
    const auto [it, is_new] = all.emplace(key, choice);
    if (!is_new && is_better(choice, it->second)) it->second = choice;
  }
  const std::string text = write_choices(all);
  write_file(path_, std::as_bytes(std::span(text)));
  choices_ = std::move(all);
  fresh_.clear();
}

}  // namespace planish::tuner
