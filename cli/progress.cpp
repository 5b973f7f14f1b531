#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

namespace rdusim::cli {

Progress::Progress(std::string what, bool quiet) : what_(std::move(what)) {
  if (!quiet) watcher_ = std::thread([this] { watch(); });
}

Progress::~Progress() {
  if (!watcher_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  watcher_.join();
}

void Progress::note(std::string what) {
  const std::lock_guard lock(mutex_);
  what_ = std::move(what);
}

void Progress::watch() {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  // A terminal's line is overwritten every second; a log gets a line only now and then.
  const auto period = std::chrono::seconds(terminal ? 1 : 10);
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  bool printed = false;
  auto wait = std::chrono::seconds(1);
  while (!wake_.wait_for(lock, wait, [this] { return done_; })) {
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
    fmt::print(stderr, "{}{} … {} s{}", terminal ? "\r\033[K" : "", what_, elapsed.count(),
               terminal ? "" : "\n");
    std::fflush(stderr);
    printed = true;
    wait = period;
  }
  if (printed && terminal) fmt::print(stderr, "\r\033[K");
}

}  // namespace rdusim::cli
