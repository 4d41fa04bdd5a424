// SPDX-License-Identifier: Apache-2.0
// Which tactic was chosen for which problem, kept in a file that builds share.
//
// The file is text: a line that names the format, the hash of all that follows, then the problems
// in the order of their keys. A file that is damaged is left out with a warning, and replaced by
// the next save: it holds nothing that cannot be made again. A file that is not a timing cache at
// all, or one of a later format, is an error and is never written to.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace planish::tuner {

struct CachedChoice {
  std::string tactic;                           // empty: all refused
  bool measured = false;                        // false: the cost model chose
  int level = 0;                                // of the build that chose
  std::map<std::string, double> seconds;        // by tactic, of one run
  std::map<std::string, std::string> refusals;  // by tactic, found while measuring
  bool operator==(const CachedChoice&) const = default;
};

using CachedChoices = std::map<std::string, CachedChoice, std::less<>>;  // by the problem's key

// The text of a cache file and back. read_choices throws kFileError saying what is wrong.
std::string write_choices(const CachedChoices& choices);
CachedChoices read_choices(std::string_view text);

class TimingCache {
 public:
  // In memory alone.
  TimingCache() = default;
  // Reads the file, if there is one. Throws kFileError if it cannot be read, if its folder does not
  // exist, or if it is no timing cache.
  explicit TimingCache(std::string path);

  // Null if nothing is known.
  const CachedChoice* find(std::string_view key) const;
  void put(const std::string& key, CachedChoice choice);
  const CachedChoices& choices() const { return choices_; }

  // Merges what was put since with what the file holds by now, and writes it whole. Holds a lock on
  // the file's folder meanwhile, so that processes which save at once lose nothing of each other's.
  // Nothing to do: the file is not touched. Throws kFileError.
  void save();

 private:
  std::string path_;  // empty: none
  CachedChoices choices_;
  std::map<std::string, bool, std::less<>> fresh_;  // keys put since the file was read
};

}  // namespace planish::tuner
