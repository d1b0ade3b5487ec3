package app

import (
	"tuermer/internal/platform/backup"
	"tuermer/internal/town/keep"
)

// BackupConfig says who can open backups, and when they are made.
type BackupConfig struct {
	To     []string // public keys: age1… or ssh-…
	At     string   // hour of the day, such as 02:30; empty: only by command
	Keep   int      // how many stay
	Stale  int      // days after which the newest one is too old
	Folder string   // default: backups in the data folder
}

func (r *configReader) backup(b *BackupConfig) setter {
	return r.object(1,
		field{"to", r.each(&b.To, parseRecipient)},
		field{"at", scalar(r, &b.At, parseHour)},
		field{"keep", r.number(&b.Keep, 1, 1000)},
		field{"stale_days", r.number(&b.Stale, 1, 365)},
		field{"folder", scalar(r, &b.Folder, parseLine)},
	)
}

func parseRecipient(s string) (string, *complaint) {
	if _, err := backup.ParseRecipient(s); err != nil {
		return "", sorry("config.backup_key", shorten(s))
	}
	return s, nil
}

func parseHour(s string) (string, *complaint) {
	if _, _, err := keep.ParseHour(s); err != nil {
		return "", sorry("config.backup_hour", shorten(s))
	}
	return s, nil
}
