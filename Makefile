# Hikyaku. `make help` lists what there is to make.
CC       = gcc
BUILD    = build$(if $(SANITIZER),/$(SANITIZER))
PKGS     = liburing hiredis ldns libconfuse jansson libpcre2-8 libidn2 libpsl openssl libcurl zlib
CFLAGS   = -std=gnu11 -O2 -g -Wall -Wextra -Werror -fno-omit-frame-pointer
CPPFLAGS = -D_GNU_SOURCE -Iengine -I. -MMD -MP $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDLIBS   = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm
# A program loads what it uses and nothing more (libcurl is loaded when it is needed: engine/curl_calls.h).
LDFLAGS  = -Wl,--as-needed
ifdef SANITIZER
CFLAGS  += -fsanitize=$(SANITIZER) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SANITIZER)
else
LDLIBS  += -ljemalloc
endif

sources  = $(filter-out engine/main.c,$(wildcard engine/*.c engine/*/*.c scheduler/*.c dns/*.c tls/*.c))
objects  = $(sources:%.c=$(BUILD)/%.o) $(BUILD)/engine/queue/queue_lua.o
library  = $(BUILD)/libhikyaku.a
benches  = $(patsubst bench/%.c,$(BUILD)/bin/%,$(wildcard bench/*.c))
units    = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*_test.c))
sims     = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/sim/*_test.c))
tools    = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/live/*_tool.c))
fuzzers  = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))
sim_objs = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %_test.c,$(wildcard tests/sim/*.c)))
output   = $(if $(SANITIZER),$(BUILD)/hikyaku,hikyaku)

.PHONY: all help deps check check-long demo bench format clean tests
all: $(output)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

deps: ## installs what building and testing needs (Debian 12)
	@tests/deps build test

$(output): $(BUILD)/engine/main.o $(library)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(library): $(objects)
	@rm -f $@
	@ar rcsT $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The functions of the queue travel inside the binary, as bytes: one text, of its parts in order.
$(BUILD)/engine/queue/queue_lua.o: engine/queue/queue.lua $(sort $(wildcard engine/queue/lua/*.lua))
	@mkdir -p $(@D)
	@cat $^ >$(@D)/queue.lua
	cd $(@D) && ld -r -b binary -z noexecstack -o $(@F) queue.lua

# A bench or test program of several files has the others in a folder of its name.
.SECONDEXPANSION:
$(BUILD)/bin/%: $(BUILD)/bench/%.o $$(addprefix $$(BUILD)/,$$(addsuffix .o,$$(basename $$(wildcard bench/$$*/*.c)))) $(library)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bin/delay: $(BUILD)/bench/sink/listener.o
$(BUILD)/tests/live/%_tool: $(BUILD)/tests/live/%_tool.o $(library)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $$(addprefix $$(BUILD)/,$$(addsuffix .o,$$(basename $$(wildcard tests/unit/$$*/*.c)))) $(library)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
$(BUILD)/tests/sim/%_test: $(BUILD)/tests/sim/%_test.o $(sim_objs) $(library)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
$(BUILD)/tests/fuzz/%_fuzz: $(BUILD)/tests/fuzz/%_fuzz.o $(BUILD)/tests/fuzz/driver.o $(library)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

tests: $(units) $(sims) $(fuzzers) $(tools) $(benches) $(output)

check: deps ## every test that takes seconds; no network beyond loopback
	@$(MAKE) --no-print-directory -j2 tests
	@tests/run quick $(BUILD)

check-long: deps ## sanitizers, seeds, planted bugs, fuzzers, crashes: minutes
	@tests/run long $(BUILD)

demo: deps ## a newsletter to 10,000 recipients in a world of its own
	@$(MAKE) --no-print-directory -j2 all $(benches)
	@bench/demo

bench: deps ## figures on this machine, the ceiling beside them
	@$(MAKE) --no-print-directory -j2 all $(benches)
	@bench/run $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(N),--repeat $(N)) $(if $(FULL),--full) $(if $(PROFILE),--profile)

format: ## clang-format over the tree
	@clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## removes what was built
	rm -rf build hikyaku

-include $(shell find $(BUILD) -path $(BUILD)/peers -prune -o -name '*.d' -print 2>/dev/null)
