package app

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
)

// explained gives an error from the rooms its words for the operator.
type explained struct{ err error }

func (e explained) Error() string { return e.err.Error() }
func (e explained) Unwrap() error { return e.err }

// In says in language l what happened; without words of its own the error
// speaks for itself.
func (e explained) In(l i18n.Lang) string {
	f := fault.As(e.err)
	c, err := catalog()
	if err != nil {
		return e.err.Error()
	}
	if key, args := surroundings(e.err); key != "" {
		return c.Text(l, key, args...)
	}
	if f.Key == "" || !c.Has(f.Key) {
		return e.err.Error()
	}
	words := []string{c.Text(l, f.Key, f.Args...)}
	for _, field := range slices.Sorted(maps.Keys(f.Fields)) {
		if key := f.Fields[field]; key != f.Key { // else it is said already
			words = append(words, field+": "+c.Text(l, key))
		}
	}
	return strings.Join(words, "\n")
}

// Primary result codes of https://sqlite.org/rescode.html.
const (
	sqliteReadOnly = 8
	sqliteFull     = 13
	sqliteCantOpen = 14
)

// surroundings tells what the machine around the program refused: the operator
// can do something about it, once it is named. The empty key: something else.
func surroundings(err error) (key string, args []any) {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "listen" {
		addr := ""
		if op.Addr != nil {
			addr = op.Addr.String()
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return "app.port_taken", []any{addr}
		}
		return "app.no_port", []any{addr, op.Err.Error()}
	}
	code := 0
	if lite, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		code = lite.Code() & 0xff // the upper bits say more than we ask
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return "app.no_database", []any{strings.Join(strings.Fields(err.Error()), " ")}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || code == sqliteFull:
		return "app.disk_full", []any{err.Error()}
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR) ||
		cannotMake(err) ||
		code == sqliteCantOpen || code == sqliteReadOnly:
		return "app.no_data", []any{err.Error()}
	}
	return "", nil
}

// cannotMake: a folder above it does not exist and cannot be made either, such
// as under /proc.
func cannotMake(err error) bool {
	pe, ok := errors.AsType[*fs.PathError](err)
	return ok && pe.Op == "mkdir" && errors.Is(pe.Err, fs.ErrNotExist)
}
