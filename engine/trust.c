/* One count an hour and its predecessor: enough to know what was usual, and forgotten by itself. A row is told once,
 * and of several rows, as when a receiver has some hosts with good certificates, one an hour. */
#include "trust.h"

void trust_recall(struct trust *trust)
{
	trust->before = TRUST_MANY;
}

bool trust_is_established(const struct trust *trust)
{
	return trust->failed == 0 && trust->verified == TRUST_MANY;
}

bool trust_note(struct trust *trust, bool verified, uint64_t now_ms)
{
	if (now_ms - trust->hour_ms >= TRUST_HOUR_MS) {
		if (trust->verified)
			trust->before = trust->verified;
		trust->verified = 0;
		trust->hour_ms = now_ms;
	}
	if (verified) {
		trust->verified++;
		trust->failed = 0;
		trust->told = false;
		return false;
	}
	trust->failed++;
	if (trust->failed < TRUST_MANY || (trust->verified < TRUST_MANY && trust->before < TRUST_MANY) || trust->told)
		return false;
	if (trust->told_ms && now_ms - trust->told_ms < TRUST_HOUR_MS)
		return false;
	trust->told = true;
	trust->told_ms = now_ms;
	return true;
}
