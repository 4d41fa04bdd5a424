// SPDX-License-Identifier: Apache-2.0
// Where messages go. The library prints nothing by itself: without a sink, messages are dropped,
// unless the environment variable PLANISH_LOG (error, warning, info, debug) asks for them on the
// standard error.
#pragma once

#include <functional>
#include <string>

namespace planish {

enum class LogLevel : int { kError, kWarning, kInfo, kDebug };

using LogSink = std::function<void(LogLevel, const std::string&)>;

// Messages up to `level` go to `sink`, from any thread, one at a time; null restores the default.
void set_log(LogLevel level, LogSink sink);
bool log_enabled(LogLevel level);
void log(LogLevel level, const std::string& message);

}  // namespace planish
