// rdusim characterize: runs the cycle-level models over grids of access patterns and writes the service
// tables that the event and analytic fidelities read: DRAM devices (base/arch/memory_service.h) and the
// gathers of a chip's PMUs (base/arch/pmu_service.h).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/arch/chip_fields.h"
#include "base/arch/dram_fields.h"
#include "base/arch/memory_service_fields.h"
#include "base/arch/pmu_service_fields.h"
#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "report/format.h"
#include "report/table.h"
#include "sim/dram/characterize.h"
#include "sim/pmu/characterize.h"

namespace rdusim::cli {
namespace {

struct CharacterizeOptions {
  std::vector<std::string> names;
  std::string chip;
  std::string folder;  // empty: configs/service
  bool check = false;
};

std::string file_text(const MemoryService& service) {
  return fmt::format(
      "# Written by `rdusim characterize {}`; not to be edited. Efficiency of configs/dram/{}.yaml without\n"
      "# refresh: streams, then granules, then write shares, as the axes are listed.\n{}",
      service.name, service.device, memory_service_fields().dump(service));
}

void print_table(const Session& session, const MemoryService& service) {
  report::Table table{{"streams", "turn", "of the bytes written", "of the peak"}, {}};
  size_t at = 0;
  for (const int64_t streams : service.streams) {
    for (const int64_t granule : service.granule_bytes) {
      for (const double share : service.write_shares) {
        table.add({fmt::format("{}", streams), fmt::format("{} B", granule), report::format_percent(share),
                   report::format_percent(service.efficiency[at++])});
      }
    }
  }
  session.print(
      fmt::format("{} (device {}, inputs {}), without refresh\n\n{}\n{} of what tRFC / tREFI leaves\n\n",
                  service.name, service.device, service.inputs_sha256.substr(0, 12),
                  report::table_text(table), report::format_percent(service.refresh_efficiency)));
}

report::Json table_json(const MemoryService& service) {
  return {{"name", service.name},
          {"device", service.device},
          {"inputs_sha256", service.inputs_sha256},
          {"streams", service.streams},
          {"granule_bytes", service.granule_bytes},
          {"write_shares", service.write_shares},
          {"bursts_per_channel", service.bursts_per_channel},
          {"efficiency", service.efficiency},
          {"refresh_efficiency", service.refresh_efficiency}};
}

// True if the file holds what the model gives now.
Result<bool> same_as_file(const std::string& path, const std::string& text) {
  RDU_ASSIGN(const std::string there, read_text_file(path, int64_t{1} << 20));
  return there == text;
}

// One table as it goes to its file, to the screen and to JSON.
struct Table {
  std::string name;
  std::string file;
  report::Json json;
};

Result<Table> memory_table(Session& session, const std::string& name) {
  RDU_ASSIGN(const DramSpec device, load_dram(session.config, name));
  MemoryService service = sim::memory_service_grid(name, name);
  RDU_CHECK_OK(sim::characterize_memory(device, service));
  print_table(session, service);
  return Table{name, file_text(service), table_json(service)};
}

// Of the chip's file as it is: a node would not load while its table is stale.
Result<Table> pmu_table(Session& session, const std::string& chip) {
  RDU_ASSIGN(const std::string path, find_config(session.config, "chips", chip));
  RDU_ASSIGN(const DocumentNode root, read_config(session.config, path));
  RDU_ASSIGN(const ChipSpec spec, chip_fields().parse(root));
  PmuService service = sim::pmu_service_grid(chip + "-pmu", spec.pmu);
  RDU_CHECK_OK(sim::characterize_pmu(spec.pmu, service));
  report::Table table{{"row that is gathered", "of the port"}, {}};
  for (size_t i = 0; i < service.row_bytes.size(); ++i)
    table.add({fmt::format("{} B", service.row_bytes[i]), report::format_percent(service.efficiency[i])});
  session.print(fmt::format("{} (inputs {})\n\n{}\n", service.name, service.inputs_sha256.substr(0, 12),
                            report::table_text(table)));
  return Table{
      service.name,
      fmt::format("# Written by `rdusim characterize --chip {}`; not to be edited. Share of a PMU's read "
                  "port, by width of the\n# rows that are gathered.\n{}",
                  chip, pmu_service_fields().dump(service)),
      {{"name", service.name},
       {"inputs_sha256", service.inputs_sha256},
       {"row_bytes", service.row_bytes},
       {"gathered_rows", service.gathered_rows},
       {"efficiency", service.efficiency}}};
}

Result<int> run(Session& session, const CharacterizeOptions& options) {
  std::vector<std::string> names = options.names;
  if (!options.chip.empty()) {
    for (const char* tier : {"-hbm", "-ddr"}) names.push_back(options.chip + tier);
  }
  if (names.empty()) {
    return Error{ErrorCode::kInvalidInput, "characterize", "nothing to do",
                 "name files of configs/dram/, or --chip sn40l for sn40l-hbm, sn40l-ddr and sn40l-pmu"};
  }
  const std::string folder = options.folder.empty() ? session.config.config_dir + "/service" : options.folder;
  std::vector<Table> made;
  for (const std::string& name : names) {
    RDU_ASSIGN(Table table, memory_table(session, name));
    made.push_back(std::move(table));
  }
  if (!options.chip.empty()) {
    RDU_ASSIGN(Table table, pmu_table(session, options.chip));
    made.push_back(std::move(table));
  }
  report::Json tables = report::Json::array();
  bool same = true;
  for (Table& table : made) {
    tables.push_back(std::move(table.json));
    const std::string path = folder + "/" + table.name + ".yaml";
    if (options.check) {
      RDU_ASSIGN(const bool equal, same_as_file(path, table.file));
      session.print(fmt::format("{} {}\n", path, equal ? "holds the same" : "DIFFERS"));
      same = same && equal;
    } else {
      std::error_code ignored;
      std::filesystem::create_directories(folder, ignored);
      RDU_CHECK_OK(write_file_atomically(path, table.file));
      session.print("written to " + path + "\n");
    }
  }
  RDU_CHECK_OK(check_overrides_used(session.config));
  RDU_CHECK_OK(session.write_json({{"tables", std::move(tables)}, {"same", same}}));
  return same ? kExitOk : kExitFellShort;
}

}  // namespace

void add_characterize(CLI::App& app, Session& session) {
  auto options = std::make_shared<CharacterizeOptions>();
  auto* command = app.add_subcommand(
      "characterize",
      "run the cycle-level memory and PMU over patterns and write the tables that event reads");
  command->add_option("NAME", options->names, "files of configs/dram/");
  command->add_option("--chip", options->chip,
                      "of a chip: both memories and its PMU: <chip>-hbm, <chip>-ddr, <chip>-pmu");
  command->add_option("--out", options->folder, "folder to write to (default: configs/service)");
  command->add_flag("--check", options->check, "write nothing; exit 1 if a file differs");
  command->footer(
      "A chip file names its tables (service: NAME below hbm, ddr and pmu). They are refused when the "
      "device,\n"
      "the PMU, the grid or the model has changed since.\n"
      "\n"
      "Examples:\n  rdusim characterize --chip sn40l\n  rdusim characterize sn40l-hbm --check");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
