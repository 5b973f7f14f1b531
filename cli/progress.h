// Progress on standard error for whatever takes longer than a second; nothing is printed before that, or with
// --quiet. A thread of its own does the printing, so the work needs no hooks; note() changes what it says.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace rdusim::cli {

class Progress {
 public:
  Progress(std::string what, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void note(std::string what);

 private:
  void watch();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::string what_;
  bool done_ = false;
  std::thread watcher_;
};

}  // namespace rdusim::cli
