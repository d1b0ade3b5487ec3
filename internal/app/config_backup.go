package app

import (
	"cmp"
	"time"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/replica"
	"tuermer/internal/town/keep"
)

// BackupConfig says who can open backups, and when they are made.
type BackupConfig struct {
	To     []string // public keys: age1… or ssh-…
	At     string   // hour of the day, such as 02:30; empty: only by command
	Keep   int      // how many stay
	Stale  int      // days after which the newest one is too old
	Folder string   // default: backups in the data folder
	// Replica carries the database away while it is written.
	Replica ReplicaConfig
}

// ReplicaConfig says where copies of the database go at once.
type ReplicaConfig struct {
	Every      time.Duration
	AlarmAfter time.Duration
	Targets    []PlaceConfig
}

func (r *configReader) backup(b *BackupConfig) setter {
	return r.object(1,
		field{"to", r.each(&b.To, parseRecipient)},
		field{"at", scalar(r, &b.At, parseHour)},
		field{"keep", r.number(&b.Keep, 1, 1000)},
		field{"stale_days", r.number(&b.Stale, 1, 365)},
		field{"folder", scalar(r, &b.Folder, parseLine)},
		field{"replica", r.object(0,
			field{"every", scalar(r, &b.Replica.Every, parseSpan(time.Second, 10*time.Minute))},
			field{"alarm_after", scalar(r, &b.Replica.AlarmAfter, parseSpan(time.Minute, 24*time.Hour))},
			field{"targets", listOf(r, &b.Replica.Targets, func(p *PlaceConfig) setter { return r.object(2, r.placeFields(p)...) })},
		)},
	)
}

// checkReplica looks at what belongs together.
func (r *configReader) checkReplica(c *Config) {
	b := &c.Backup
	r.checkPlaces("backup.replica.targets", len(b.Replica.Targets), func(i int) *PlaceConfig { return &b.Replica.Targets[i] })
	if len(b.Replica.Targets) > 0 && c.Database != "" {
		r.refuse(r.at["backup.replica"], "backup.replica", "config.replica_postgres")
	}
	if b.Replica.AlarmAfter != 0 && b.Replica.AlarmAfter < 3*cmp.Or(b.Replica.Every, replica.DefaultEvery) {
		r.refuse(r.at["backup.replica.alarm_after"], "backup.replica.alarm_after", "config.replica_short", brief(3*cmp.Or(b.Replica.Every, replica.DefaultEvery)))
	}
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
