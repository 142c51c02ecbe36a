// Files below the paths of a dataset's sources whose kind is not read: named beside the dataset, in passed-over.json.
// They have no part in its digest, so that a note laid into a folder of texts makes no other dataset.
#pragma once

#include "data/build/plan.h"

namespace plumb::data {

// As of now; without such files there is none of that name.
void write_passed_over(const std::filesystem::path& dataset, const BuildRequest& request, const Plan& plan);

// [{source, files, first: names}], empty where nothing was passed over.
nlohmann::ordered_json read_passed_over(const std::filesystem::path& dataset);

}  // namespace plumb::data
