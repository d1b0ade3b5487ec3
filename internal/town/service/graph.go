package service

import "slices"

// Affected are the services of all that suffer when those named by slugs fail:
// they themselves, and whatever depends on them, directly or through others.
// The order is that of all.
func Affected(all []Service, slugs ...string) []Service {
	hit := map[string]bool{}
	todo := slices.Clone(slugs)
	for len(todo) > 0 {
		slug := todo[0]
		todo = todo[1:]
		if hit[slug] {
			continue // a circle, or two ways to one service
		}
		hit[slug] = true
		for _, s := range dependents(all, slug) {
			todo = append(todo, s.Slug)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s Service) bool { return !hit[s.Slug] })
}
