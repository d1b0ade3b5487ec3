package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A transaction may run several times and only the last run counts (0137): what
// it adds to outside of itself, it has set before.
func TestTransactionsMayRunTwice(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.FuncLit); ok && isTransaction(lit.Type) {
					seen++
					for _, at := range addsTwice(lit) {
						t.Errorf("%s: a transaction that runs twice adds twice", set.Position(at))
					}
				}
				return true
			})
		}
	}
	if seen < 200 {
		t.Fatalf("only %d transactions were found; the test looks in the wrong place", seen)
	}
}

// The rule finds what it is for, and lets stand what is set before.
func TestAddsTwice(t *testing.T) {
	for body, want := range map[string]int{
		`n++`:                             1,
		`n += 2`:                          1,
		`out = append(out, 1)`:            1,
		`f.Version++`:                     1,
		`*n += 1`:                         1,
		`n := 0; n++; _ = n`:              0,
		`n = 0; n++`:                      0,
		`*n = 0; *n += 1`:                 0,
		`out = nil; out = append(out, 1)`: 0,
		`for _, x := range xs { x.n++; db += "" }`: 0,
	} {
		e, err := parser.ParseExpr("func(db bun.IDB) { " + body + " }")
		if err != nil {
			t.Fatal(err)
		}
		if got := addsTwice(e.(*ast.FuncLit)); len(got) != want {
			t.Errorf("%s: %d, want %d", body, len(got), want)
		}
	}
}

// isTransaction tells the functions that are handed a transaction.
func isTransaction(f *ast.FuncType) bool {
	for _, p := range f.Params.List {
		switch x := p.Type.(type) {
		case *ast.SelectorExpr:
			if x.Sel.Name == "IDB" || x.Sel.Name == "Enqueue" {
				return true
			}
		case *ast.StarExpr:
			if id, ok := x.X.(*ast.Ident); ok && id.Name == "tx" {
				return true
			}
		case *ast.Ident:
			if x.Name == "turn" { // the room of alerts
				return true
			}
		}
	}
	return false
}

// rootOf is the variable that an expression is a part of.
func rootOf(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

// addsTwice finds where a function adds to what stood before it began.
func addsTwice(f *ast.FuncLit) (at []token.Pos) {
	own := map[string]bool{}
	for _, p := range f.Type.Params.List {
		for _, name := range p.Names {
			own[name.Name] = true
		}
	}
	add := func(e ast.Expr, pos token.Pos) {
		if !own[rootOf(e)] {
			at = append(at, pos)
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.FuncLit:
			for _, p := range s.Type.Params.List {
				for _, name := range p.Names {
					own[name.Name] = true
				}
			}
			for _, p := range results(s.Type) {
				own[p] = true
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				own[name.Name] = true
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{s.Key, s.Value} {
				if e != nil {
					own[rootOf(e)] = true
				}
			}
		case *ast.IncDecStmt:
			add(s.X, s.Pos())
		case *ast.AssignStmt:
			for i, l := range s.Lhs {
				switch {
				case s.Tok != token.ASSIGN && s.Tok != token.DEFINE:
					add(l, s.Pos())
				case i < len(s.Rhs) && appendsTo(s.Rhs[i], l):
					add(l, s.Pos())
				case s.Tok == token.DEFINE || rootOf(l) == strings.TrimPrefix(written(l), "*"):
					own[rootOf(l)] = true // as a whole
				}
			}
		}
		return true
	})
	return at
}

func results(f *ast.FuncType) (names []string) {
	if f.Results == nil {
		return nil
	}
	for _, p := range f.Results.List {
		for _, name := range p.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// appendsTo reports whether e is append(l, …).
func appendsTo(e, l ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	fn, ok := call.Fun.(*ast.Ident)
	return ok && fn.Name == "append" && written(call.Args[0]) == written(l)
}

// written is a variable as it is written, with its fields.
func written(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return written(x.X) + "." + x.Sel.Name
	case *ast.StarExpr:
		return "*" + written(x.X)
	case *ast.IndexExpr:
		return written(x.X) + "[]"
	case *ast.ParenExpr:
		return written(x.X)
	}
	return "?"
}
