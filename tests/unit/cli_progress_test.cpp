// Progress on standard error: silence in the first second and with --quiet, then the latest note. The one
// place where the project shares memory between threads, so this is what ./test tsan looks at.
#include "cli/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace rdusim::cli {
namespace {

TEST(CliProgress, SaysNothingInTheFirstSecond) {
  testing::internal::CaptureStderr();
  for (int run = 0; run < 20; ++run) {
    Progress progress("compiling", false);
    for (int i = 0; i < 100; ++i) progress.note("step " + std::to_string(i));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(CliProgressSlow, SaysTheLatestNoteAfterASecondUnlessQuiet) {
  testing::internal::CaptureStderr();
  {
    Progress quiet("quiet work", true);
    Progress progress("compiling", false);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
    for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
      quiet.note("quiet step");
      progress.note(i % 2 == 0 ? "step even" : "step odd");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("quiet"), std::string::npos);
  EXPECT_TRUE(said.starts_with("step even … ") || said.starts_with("step odd … ")) << said;
}

}  // namespace
}  // namespace rdusim::cli
