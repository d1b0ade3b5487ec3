package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
)

// application is what the commands ask of internal/app; tests put their own in
// its place.
type application interface {
	// Serve runs until ctx ends. It prints its addresses, and a one-time
	// sign-in link where no administrator has a password.
	Serve(ctx context.Context, s app.Settings) error
	// Demo is Serve with an invented town and simulated ways out.
	Demo(ctx context.Context, s app.Settings) error
	// Check looks at reachability and independence of addresses.
	Check(ctx context.Context, s app.Settings) ([]app.CheckResult, error)
	// Migrate brings the database to this version's schema.
	Migrate(ctx context.Context, s app.Settings) error
	// MigrateBack makes the data readable for the release before this one.
	MigrateBack(ctx context.Context, s app.Settings) error
	// Setup returns a new one-time link for a first start.
	Setup(ctx context.Context, s app.Settings) (link string, err error)
	// AddUser adds a person and returns a one-time sign-in link.
	AddUser(ctx context.Context, s app.Settings, u app.NewUser) (link string, err error)
	// ResetUser takes a person's password away and returns a one-time
	// sign-in link; second takes the second factor away as well.
	ResetUser(ctx context.Context, s app.Settings, email string, second bool) (link string, err error)
	// SyncDirectory compares the people with the town's directory.
	SyncDirectory(ctx context.Context, s app.Settings, dry bool, confirm string) (app.SyncReport, error)
	// StartExercise starts an exercise and prints what came of it.
	StartExercise(ctx context.Context, s app.Settings, kind, scenario string) error
	// CreateToken returns a new API token; it is shown this once.
	CreateToken(ctx context.Context, s app.Settings, t app.NewToken) (token string, err error)
	// AddTenant settles one more town in the install.
	AddTenant(ctx context.Context, s app.Settings, t app.NewTenant) error
	// Tenants lists the towns of the install.
	Tenants(ctx context.Context, s app.Settings) ([]app.TenantLine, error)
	// RenameTenant gives a town another slug.
	RenameTenant(ctx context.Context, s app.Settings, old, slug string) error
	// Import takes the monitors of another program over, or only says what
	// would become of them.
	Import(ctx context.Context, s app.Settings, format, file string, dry bool) (report string, err error)
	// TownNetworks answers where checks that people enter may go, and sets it.
	TownNetworks(ctx context.Context, s app.Settings, town string, networks []string, reset bool) (now []string, err error)
	// Health asks the program that serves whether it answers.
	Health(ctx context.Context, s app.Settings) error
	// Diagnose writes the diagnosis bundle into a file that does not exist yet.
	Diagnose(ctx context.Context, s app.Settings, file string) error
	// Backup writes a backup that the holders of the keys can read.
	Backup(ctx context.Context, s app.Settings, file string, to []string) error
	// BackupKey makes a private key for backups and answers the public one.
	BackupKey(ctx context.Context, s app.Settings, file string) (public string, err error)
	// Restore builds the install that a backup holds.
	Restore(ctx context.Context, s app.Settings, w app.RestoreWish) error
	// VerifyAudit walks the audit logs' hash chains; heads is a file of heads that
	// were kept elsewhere, or empty.
	VerifyAudit(ctx context.Context, s app.Settings, heads string) error
	// AuditHeads prints the chains' heads.
	AuditHeads(ctx context.Context, s app.Settings) error
	// Reload makes the program that serves read its configuration again, and
	// answers what came of it.
	Reload(ctx context.Context, s app.Settings) (lines []string, err error)
	persons
	sondes
	sources
	twins
	rosters
}

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// flags is the command line. Every flag has a variable TUERMER_NAME; the texts
// are in texts/*.json under cli.NAME.
type flags struct {
	Config   string `help:"${flag_config}" placeholder:"${ph_file}"`
	Data     string `help:"${flag_data}" placeholder:"${ph_dir}"`
	Database string `help:"${flag_database}" placeholder:"postgres://…"`
	DNS      string `name:"dns" help:"${flag_dns}" placeholder:"HOST:PORT"`
	Lang     string `help:"${flag_lang}" placeholder:"de|en"`

	Serve   serveCmd   `cmd:"" help:"${cmd_serve}"`
	Reload  reloadCmd  `cmd:"" help:"${cmd_reload}"`
	Setup   setupCmd   `cmd:"" help:"${cmd_setup}"`
	Demo    demoCmd    `cmd:"" help:"${cmd_demo}"`
	Check   checkCmd   `cmd:"" help:"${cmd_check}"`
	Migrate migrateCmd `cmd:"" help:"${cmd_migrate}"`
	User    struct {
		Add   userAddCmd   `cmd:"" help:"${cmd_user_add}"`
		Reset userResetCmd `cmd:"" help:"${cmd_user_reset}"`
	} `cmd:"" help:"${cmd_user}"`
	Person    personCmd `cmd:"" help:"${cmd_person}"`
	Directory struct {
		Sync directorySyncCmd `cmd:"" help:"${cmd_directory_sync}"`
	} `cmd:"" help:"${cmd_directory}"`
	Token struct {
		Create tokenCreateCmd `cmd:"" help:"${cmd_token_create}"`
	} `cmd:"" help:"${cmd_token}"`
	Exercise struct {
		Start exerciseStartCmd `cmd:"" help:"${cmd_exercise_start}"`
	} `cmd:"" help:"${cmd_exercise}"`
	Tenant struct {
		Add      tenantAddCmd      `cmd:"" help:"${cmd_tenant_add}"`
		List     tenantListCmd     `cmd:"" help:"${cmd_tenant_list}"`
		Rename   tenantRenameCmd   `cmd:"" help:"${cmd_tenant_rename}"`
		Networks tenantNetworksCmd `cmd:"" help:"${cmd_tenant_networks}"`
	} `cmd:"" help:"${cmd_tenant}"`
	Import    importCmd    `cmd:"" help:"${cmd_import}"`
	Backup    backupCmd    `cmd:"" help:"${cmd_backup}"`
	Restore   restoreCmd   `cmd:"" help:"${cmd_restore}"`
	BackupKey backupKeyCmd `cmd:"" help:"${cmd_backup_key}"`
	Diagnose  diagnoseCmd  `cmd:"" help:"${cmd_diagnose}"`
	Health    healthCmd    `cmd:"" help:"${cmd_health}"`
	Sonde     sondeCmd     `cmd:"" help:"${cmd_sonde}"`
	Source    sourceCmd    `cmd:"" help:"${cmd_source}"`
	Twin      twinCmd      `cmd:"" help:"${cmd_twin}"`
	Roster    rosterCmd    `cmd:"" help:"${cmd_roster}"`
	Version   versionCmd   `cmd:"" help:"${cmd_version}"`
	Audit     struct {
		Verify auditVerifyCmd `cmd:"" help:"${cmd_audit_verify}"`
		Head   auditHeadCmd   `cmd:"" help:"${cmd_audit_head}"`
	} `cmd:"" help:"${cmd_audit}"`
}

// session is one run of the program.
type session struct {
	ctx    context.Context
	app    application
	texts  *i18n.Catalog
	lang   i18n.Lang
	flags  flags
	stdout io.Writer
	stderr io.Writer
}

// errUsage marks a command line that cannot be carried out; its message is for
// the reader.
type errUsage struct{ message string }

func (e errUsage) Error() string { return e.message }

// run carries out one command line and returns the exit code. It touches
// nothing global, so that tests call it as often as they like.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer, a application) int {
	texts, err := i18n.NewCatalog(textFiles)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailure
	}
	vars := variables(env)
	s := &session{ctx: ctx, app: a, texts: texts, lang: language(args, vars), stdout: stdout, stderr: stderr}

	parser, exited, err := s.parser(vars)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailure
	}
	asked := args
	switch {
	case len(args) == 0:
		asked, parser.Stdout = []string{"--help"}, stderr
	case args[0] == "--version" && len(args) == 1: // what everybody tries first
		asked = []string{"version"}
	case args[0] == "help":
		asked = append(slices.Clone(args[1:]), "--help")
	}
	command, err := parser.Parse(asked)
	if *exited && len(args) == 0 { // nothing was asked for, so nothing was done
		return exitUsage
	}
	if *exited { // --help has been answered
		return exitOK
	}
	if err != nil {
		return s.usage(s.translate(err.Error()))
	}
	if s.flags.Lang != "" && !slices.Contains(i18n.Langs(), i18n.Lang(s.flags.Lang)) {
		return s.usage(s.text("cli.bad_lang", s.flags.Lang))
	}

	err = command.Run(s)
	if use, ok := errors.AsType[errUsage](err); ok {
		return s.usage(use.message)
	}
	onRequest := errors.Is(err, context.Canceled) && ctx.Err() != nil
	if err != nil && !onRequest {
		s.note("cli.failed", s.explain(err))
		return exitFailure
	}
	return exitOK
}

// parser builds the command line in the reader's language. The bool turns true
// when a flag such as --help was all that was asked for.
func (s *session) parser(vars map[string]string) (*kong.Kong, *bool, error) {
	exited := false
	// Not kong's own lookup, which reads the process's environment.
	fromEnv := kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if v := vars[variable(flag.Name)]; v != "" && flag.Name != "help" {
			return v, nil
		}
		return nil, nil //nolint:nilnil // kong's way of saying "not here"
	})
	words := kong.Vars{}
	for _, key := range s.texts.Keys() {
		if name, ok := strings.CutPrefix(key, "cli."); ok {
			words[name] = s.text(key)
		}
	}
	formats := app.SourceFormats()
	words["flag_source_format"] = s.text("cli.flag_source_format", strings.Join(formats[:len(formats)-1], ", "), formats[len(formats)-1])
	k, err := kong.New(&s.flags,
		kong.Name("tuermer"),
		words,
		kong.Resolvers(fromEnv),
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(func(int) { exited = true }),
		kong.Help(s.help),
	)
	return k, &exited, err
}

// variable is a flag's name in the environment.
func variable(flag string) string {
	return "TUERMER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// variables turns KEY=value lines into a map; the last one wins.
func variables(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, line := range env {
		if k, v, ok := strings.Cut(line, "="); ok {
			m[k] = v
		}
	}
	return m
}

// language has to be known before the flags are read, for their help and their
// errors are in it: --lang, TUERMER_LANG, the usual variables, German.
func language(args []string, vars map[string]string) i18n.Lang {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--lang="); ok {
			return i18n.Parse(v)
		}
		if a == "--lang" && i+1 < len(args) {
			return i18n.Parse(args[i+1])
		}
	}
	for _, name := range []string{"TUERMER_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := vars[name]; v != "" {
			return i18n.Parse(strings.ReplaceAll(strings.ReplaceAll(v, "_", "-"), ".", ";"))
		}
	}
	return i18n.DE
}

func (s *session) text(key string, args ...any) string { return s.texts.Text(s.lang, key, args...) }

// note writes one line for the operator.
func (s *session) note(key string, args ...any) { fmt.Fprintln(s.stderr, s.text(key, args...)) }

func (s *session) usage(message string) int {
	s.note("cli.wrong_usage", message)
	return exitUsage
}

// explain says an error in the reader's language where it can.
func (s *session) explain(err error) string {
	var worded interface{ In(l i18n.Lang) string } // such as app.ConfigError
	if errors.As(err, &worded) {
		return worded.In(s.lang)
	}
	return err.Error()
}

// log is where the rooms write. A command that ends at once says only what went
// wrong: whoever typed it reads the same terminal.
func (s *session) log(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: level}))
}

// settings reads the configuration file, if there is one, and puts it under
// the command line.
func (s *session) settings() (app.Settings, error) {
	if s.app == nil {
		return app.Settings{}, errors.New(s.text("cli.not_wired"))
	}
	if d := s.flags.Database; d != "" && !app.ValidDatabase(d) {
		return app.Settings{}, errUsage{s.text("cli.bad_database")}
	}
	if d := s.flags.DNS; d != "" && !app.ValidListen(d) {
		return app.Settings{}, errUsage{s.text("cli.bad_dns", d)}
	}
	out := app.Settings{
		ConfigFile: s.flags.Config, Data: s.flags.Data, Database: s.flags.Database, DNS: s.flags.DNS,
		Lang: s.lang, Version: version, Stdout: s.stdout, Stderr: s.stderr,
		Log: s.log(slog.LevelWarn),
	}
	if s.flags.Config == "" {
		return app.NewSettings(out, nil), nil
	}
	towns, warnings, err := app.LoadConfigs(s.flags.Config)
	if err != nil {
		return app.Settings{}, err
	}
	out.Warnings, out.More = warnings, towns[1:]
	return app.NewSettings(out, towns[0]), nil
}

// versionCmd is `tuermer version`.
type versionCmd struct{}

// Run prints one line that a bug report needs.
func (versionCmd) Run(s *session) error {
	_, err := fmt.Fprintf(s.stdout, "tuermer %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
