// Runs the built rdusim in a scratch folder of its own and keeps what it printed.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/scratch.h"

namespace rdusim::test {

struct CommandRun {
  int code = -1;
  std::string out;
  std::string err;
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(out); }
};

class Scratch : public ScratchFolder {
 public:
  // `arguments` as a shell would read them; the working folder is the scratch folder.
  [[nodiscard]] CommandRun run(const std::string& arguments) const {
    const std::string command = "cd '" + folder_.string() + "' && '" + std::string(RDUSIM_BINARY) + "' " +
                                arguments + " >stdout.txt 2>stderr.txt";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_all(folder_ / "stdout.txt"),
            read_all(folder_ / "stderr.txt")};
  }
};

}  // namespace rdusim::test
