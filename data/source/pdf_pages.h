#pragma once

#include <string_view>

#include "data/source/documents.h"

namespace plumb::data {

// Pages (each ended by a form feed) as one text. Lines that stand first or last on most pages and differ in nothing but
// digits - running titles, page numbers - go, and are counted as "pdf.repeated_lines".
Document join_pages(std::string_view pages);

}  // namespace plumb::data
