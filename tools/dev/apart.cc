// SPDX-License-Identifier: Apache-2.0
#include "apart.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/str.h"
#include "planish/error.h"

namespace planish::dev {
namespace {

bool write_all(int to, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(to, text.data() + done, text.size() - done);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

Apart::Apart(const std::function<std::string()>& work, ApartLimits limits) : limits_(limits) {
  int ends[2];
  if (pipe(ends) != 0) throw Error(ErrorCode::kInternal, std::strerror(errno));
  child_ = fork();
  if (child_ < 0) throw Error(ErrorCode::kInternal, std::strerror(errno));
  if (child_ == 0) {
    close(ends[0]);
    const rlimit limit{limits.cpu_seconds, limits.cpu_seconds};
    setrlimit(RLIMIT_CPU, &limit);
    alarm(limits.wall_seconds);
    _exit(write_all(ends[1], work()) ? 0 : 1);
  }
  close(ends[1]);
  from_ = ends[0];
}

Apart::Ending Apart::wait() const {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(from_, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  close(from_);
  int status = 0;
  waitpid(child_, &status, 0);
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGALRM || signal == SIGXCPU || signal == SIGKILL)
    return {{}, "time", concat("still running after ", limits_.cpu_seconds, " s")};
  if (signal != 0) return {{}, "crash", concat("crashed: ", strsignal(signal))};
  if (WEXITSTATUS(status) != 0) return {{}, "crash", "ended without a result"};
  return {std::move(text), {}, {}};
}

}  // namespace planish::dev
