package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LoadConfigs reads a configuration file, or every *.yaml of a folder: one file
// for each town of an install that serves several. The first by name comes
// first. What belongs to the whole install (data, database, listen) must not be
// said twice in different words.
func LoadConfigs(path string) ([]*Config, []Warning, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		cfg, warnings, err := LoadConfig(path)
		if err != nil {
			return nil, nil, err
		}
		return []*Config{cfg}, warnings, nil
	}
	files, err := filepath.Glob(filepath.Join(path, "*.yaml"))
	if err != nil || len(files) == 0 {
		r := &configReader{file: path}
		r.refuse(place{}, "", "config.folder_empty")
		return nil, nil, r.err()
	}
	slices.Sort(files)
	var all []*Config
	var warnings []Warning
	taken := map[string]string{} // what may stand only once: value by kind
	for _, file := range files {
		cfg, more, err := LoadConfig(file)
		if err != nil {
			return nil, nil, err
		}
		r := &configReader{file: file, at: cfg.at}
		if cfg.Town.Slug == "" {
			r.refuse(place{}, "town.slug", "config.missing")
		}
		for key, value := range map[string]string{
			"town.slug " + cfg.Town.Slug: file, "data": cfg.Data, "database": cfg.Database,
			"listen.staff": cfg.Listen.Staff, "listen.public": cfg.Listen.Public, "listen.mail": cfg.Listen.Mail,
		} {
			if was := taken[key]; was != "" && value != "" && was != value {
				name, _, _ := strings.Cut(key, " ")
				r.refuse(r.where(name), name, "config.folder_twice")
			}
			if value != "" {
				taken[key] = value
			}
		}
		if len(r.problems) > 0 {
			return nil, nil, r.err()
		}
		all, warnings = append(all, cfg), append(warnings, more...)
	}
	return all, warnings, nil
}
