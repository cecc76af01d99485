// SPDX-License-Identifier: Apache-2.0
//
// The slow, obvious reader of FTP lines: whole lines in a list, patterns matched from every place.
#pragma once

#include <string>
#include <vector>

#include "nat/ftp_text.h"

namespace vsnat::test {

/** Every line about data connections, in order. */
std::vector<nat::FtpLine> reference_ftp(const std::string& text, bool replies);

/** The text without the addresses in its lines 227: what rewriting leaves alone. */
std::string without_addresses(std::string text);

/** Both readers on one text; what differs is reported. */
void check_ftp_readers(const std::string& text);

}  // namespace vsnat::test
