/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Info: what a drive, its disc and an image are; changes nothing. */
#include "disc/drive.h"
#include "disc/image.h"
#include "disc/say.h"
#include "disc/tray.h"

#include "common/fd.h"
#include "common/text.h"

#include <json-c/json.h>
#include <linux/cdrom.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* One fact, for people or for programs. */
static void tell(json_object *j, const char *name, const char *key, const char *value)
{
	if (!*value)
		return;
	if (j)
		json_object_object_add(j, key, json_object_new_string(value));
	else
		say_fact(name, "%s", value);
}

static void tell_size(json_object *j, const char *name, const char *key, uint64_t bytes)
{
	char size[64];

	if (j)
		json_object_object_add(j, key, json_object_new_int64((int64_t)bytes));
	else
		say_fact(name, "%s (%llu bytes)", text_size(size, sizeof(size), bytes),
			(unsigned long long)bytes);
}

static const char *state_word(enum burn_disc_status s)
{
	return s == BURN_DISC_BLANK        ? "blank"
	       : s == BURN_DISC_APPENDABLE ? "appendable"
	       : s == BURN_DISC_FULL       ? "closed"
	       : s == BURN_DISC_EMPTY      ? "none"
					   : "unsuitable";
}

static void tell_disc(json_object *j, const struct drive *d)
{
	enum burn_disc_status s = burn_disc_get_status(d->burner);

	tell(j, "Disc", "disc", s == BURN_DISC_EMPTY ? "none" : d->media);
	if (s == BURN_DISC_EMPTY)
		return;
	tell(j, "Maker", "product", d->product);
	tell(j, "State", "state", drive_overwritable(d) ? "overwritable" : state_word(s));
	if (burn_disc_erasable(d->burner))
		tell(j, "Erasable", "erasable", "yes");
	if (s == BURN_DISC_BLANK)
		tell_size(j, "Free", "free", (uint64_t)burn_disc_available_space(d->burner, NULL));
}

static int tell_drive(json_object *j, const struct disc_options *o)
{
	_cleanup_drive_ struct drive d = {.lock = -1};
	int status = drive_init(&d, o->device, false), tray;

	if (status)
		return status;
	tell(j, "Drive", "device", o->device);
	tray = d.file ? -1 : tray_status(d.path);
	tell(j, "Tray", "tray",
		tray == CDS_TRAY_OPEN                ? "open"
		: tray >= 0 && tray_is_there(d.path) ? "closed"
						     : "none");
	if (tray == CDS_TRAY_OPEN || (d.file && d.lock < 0)) {
		tell(j, "Disc", "disc", "none"); /* to look for one would close the tray */
		return 0;
	}
	status = drive_take(&d);
	if (status)
		return status;
	tell(j, "Model", "model", d.model);
	tell(j, "Writes", "writes", drive_writes_any(&d) ? "yes" : "no");
	tell_disc(j, &d);
	return 0;
}

static int tell_image(json_object *j, const struct disc_options *o)
{
	struct image i;
	int status = image_open(o, &i);

	if (status)
		return status;
	tell(j, "Image", "image", i.name);
	tell_size(j, "Size", "size", i.size);
	tell(j, "Kind", "kind", image_kind(&i.volume));
	tell(j, "Volume", "label", i.volume.label);
	if (i.volume.size)
		tell_size(j, "Promises", "volume-size", i.volume.size);
	tell(j, "Id", "id", i.volume.id);
	close_fd(i.fd);
	return image_check(&i);
}

int info_verb(const struct disc_options *o)
{
	json_object *j = o->json ? json_object_new_object() : NULL;
	int status = 0;

	if (!o->device && !o->image)
		status = verdict(EX_USAGE, "info of what? --device DRIVE, --image FILE");
	if (o->device)
		status = tell_drive(j, o);
	if (status == 0 && o->image)
		status = tell_image(j, o);
	if (j && status != EX_USAGE)
		puts(json_object_to_json_string_ext(
			j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(j);
	return status;
}
