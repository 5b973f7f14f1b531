// The real traces, whole, on the simulated node: when they are at hand ($RDUSIM_DATA names the folder that
// holds traces/); skipped in a bare clone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

nlohmann::json serve(const std::string& file, const std::string& options) {
  const CommandRun run =
      Scratch().run("serve llama2-7b-x150 --requests " + file +
                    " --popularity zipf:0.9 --scheduler continuous --with prefetch,layerwise "
                    "--stack 2024-late -q --json - " +
                    options);
  EXPECT_EQ(run.code, 0) << file << "\n" << run.err;
  return run.code == 0 ? run.json()["nodes"]["sn40l-8"] : nlohmann::json();
}

TEST(CliRealTracesSlow, EachIsServedWhole) {
  const char* folder = std::getenv("RDUSIM_DATA");
  if (folder == nullptr || !std::filesystem::exists(std::string(folder) + "/traces"))
    GTEST_SKIP() << "RDUSIM_DATA names no folder with traces";
  struct Trace {
    const char* file;
    int64_t requests;
    const char* options;
  };
  // Mooncake's prompts reach 126 000 tokens: experts with a context of 131 072.
  for (const Trace& trace : {Trace{"azure_llm_2023_conv_first65.csv.gz", 12'587, ""},
                             Trace{"azure_llm_2023_code.csv.gz", 8'819, ""},
                             Trace{"azure_functions_2021_sample200.csv.gz", 199, ""},
                             Trace{"mooncake_conversation_first70.jsonl.gz", 8'421,
                                   "--set composition.experts.llama2-7b.model=llama-3.1-8b --set "
                                   "composition.router.model=llama-3.1-8b"}}) {
    const auto node = serve(std::string(folder) + "/traces/" + trace.file, trace.options);
    ASSERT_TRUE(node.is_object()) << trace.file;
    EXPECT_EQ(node["requests"], trace.requests) << trace.file;
    EXPECT_EQ(node["finished"].get<int64_t>() + node["failed"].get<int64_t>(), trace.requests);
    EXPECT_EQ(node["failed"], 0) << trace.file;
    const bool blocks = std::string(trace.file).starts_with("mooncake");  // that are found again
    EXPECT_EQ(node["engine"]["reused_prompt_tokens"].get<int64_t>() > 1'000'000, blocks) << trace.file;
  }
}

}  // namespace
}  // namespace rdusim
