// Sentences and figures of an explanation, for its own page and for the page of the result that it explains.
#pragma once

#include <string>
#include <vector>

#include "report/page.h"
#include "report/result_view.h"

namespace rdusim::report {

// "HBM" for "hbm", "HBM bandwidth" for "chip.hbm.bandwidth_bytes_per_s"; what is not known stays as it is.
std::string resource_word(const std::string& resource);
std::string parameter_word(const std::string& parameter);

// "The critical path spends 74 % of the time on HBM, 21 % on launches and 2 % on links between sockets; its
// longest step is the launch in section layer (20 %)."
std::string path_sentence(const RunWhyView& why);
// "10 % more HBM bandwidth saves 118 µs (7 %); ..."; empty without parameters.
std::string derivative_sentence(const std::vector<ParameterView>& parameters, double whole_s);

// Nothing where the explanation has no resources.
std::vector<Figure> critical_path_figures(const RunWhyView& why);
Figure path_table(const RunWhyView& why);
std::vector<Figure> parameter_figures(const std::vector<ParameterView>& parameters, double whole_s,
                                      const std::string& of_what);
std::vector<Figure> stall_figures(const RunWhyView& why);

}  // namespace rdusim::report
