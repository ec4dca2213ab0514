/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What testparm(1) says of a share. */
#include "fuzz.h"

#include "cli/smbconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_string(data, size);
	struct smbconf c = {.n_sections = 0};
	const struct smbconf_section *s;

	CHECK(smbconf_parse(text, &c) == 0);
	for (size_t i = 0; i < c.n_sections; i++) {
		s = &c.sections[i];
		CHECK(s->name && strlen(s->name) < size);
		for (size_t k = 0; k < s->n_settings; k++)
			CHECK(s->settings[k].key && s->settings[k].value);
		CHECK(smbconf_get(&c, s, "path"));
		smbconf_yes(&c, s, "read only");
		smbconf_has_word(&c, s, "vfs objects", "full_audit");
		smbconf_has_pattern(&c, s, "veto files", ".flagman");
	}
	s = smbconf_cover(&c, "/srv/flags/Apache");
	CHECK(!s || (s >= c.sections && s < c.sections + c.n_sections));
	smbconf_done(&c);
	return 0;
}
