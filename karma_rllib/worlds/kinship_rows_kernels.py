"""One world as the kernels of the kinship world see it.

The book (`book.write_book`) holds the rules and the address of every array; `look` turns it into
the rows of one world.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from karma_rllib.worlds.raw import f32, f64, i8, i16, i32, i64, u8, u64

phase = njit(forceinline=True)  # a piece of a step or of a reset, inlined into the outer loop


class One(NamedTuple):
    """The rows of one world: of `State`, `Work`, `Tables` (`t_...`), its events (`e_...`)."""

    key: Any
    t: Any
    g: Any
    episode: Any
    cell: Any
    thing: Any
    hp: Any
    ink: Any
    dry: Any
    o_at: Any
    o_kind: Any
    o_wait: Any
    o_stock: Any
    o_work: Any
    o_out: Any
    live: Any
    pos: Any
    head: Any
    energy: Any
    inv: Any
    frz: Any
    shield: Any
    mark: Any
    posture: Any
    pause: Any
    dead: Any
    act: Any
    got: Any
    flag: Any
    hearts: Any
    struck: Any
    kin: Any
    suit: Any
    suit_left: Any
    bond: Any
    vows: Any
    occ: Any
    canvas: Any
    order: Any
    inv0: Any
    worth: Any
    list: Any
    label: Any
    todo: Any
    t_verb: Any
    t_arg: Any
    t_cost: Any
    t_body: Any
    t_top: Any
    t_upkeep: Any
    t_can_attack: Any
    t_can_jump: Any
    t_can_harvest: Any
    t_can_charge: Any
    t_first: Any
    t_sight: Any
    t_need: Any
    t_yields: Any
    t_takes: Any
    t_gives: Any
    t_ticks: Any
    t_rest: Any
    t_most: Any
    t_self_run: Any
    t_value: Any
    t_given: Any
    t_plan: Any
    t_sketch: Any
    t_start: Any
    t_facing: Any
    t_wall: Any
    e_hit: Any
    e_distance: Any
    e_ate: Any
    e_fired: Any
    e_active: Any
    e_aim: Any
    e_aim_agent: Any
    e_apple_ctx: Any
    e_stock: Any
    e_t: Any
    e_g: Any
    e_episode: Any
    e_failed: Any
    e_blocked: Any
    e_froze: Any
    e_harvested: Any
    e_consumed: Any
    e_produced: Any
    e_looted: Any
    e_gift_to: Any
    e_gave_items: Any
    e_gave_energy: Any
    e_marked: Any
    e_shielded: Any
    e_swapped: Any
    e_built: Any
    e_destroyed: Any
    e_energy: Any
    e_energy_charged: Any
    e_energy_regained: Any
    e_energy_spent: Any
    e_energy_lost: Any
    e_energy_stolen: Any
    e_energy_received: Any
    e_court_to: Any
    e_energy_court: Any
    e_bonded: Any
    e_parted: Any
    e_mate_hearts: Any
    reward: Any
    truncated: Any


@phase
def look(r: Any, b: Any) -> Any:
    """Rows of world b, from the addresses in the book."""
    return One(
        key=u64(r.key + b * r.key_step),
        t=i32(r.t + b * r.t_step),
        g=i64(r.g + b * r.g_step),
        episode=i64(r.episode + b * r.episode_step),
        cell=u8(r.cell + b * r.cell_step),
        thing=i16(r.thing + b * r.thing_step),
        hp=i16(r.hp + b * r.hp_step),
        ink=u8(r.ink + b * r.ink_step),
        dry=i16(r.dry + b * r.dry_step),
        o_at=i32(r.o_at + b * r.o_at_step),
        o_kind=i8(r.o_kind + b * r.o_kind_step),
        o_wait=i16(r.o_wait + b * r.o_wait_step),
        o_stock=i16(r.o_stock + b * r.o_stock_step),
        o_work=i8(r.o_work + b * r.o_work_step),
        o_out=i16(r.o_out + b * r.o_out_step),
        live=i16(r.live + b * r.live_step),
        pos=i16(r.pos + b * r.pos_step),
        head=i8(r.head + b * r.head_step),
        energy=i32(r.energy + b * r.energy_step),
        inv=i16(r.inv + b * r.inv_step),
        frz=i16(r.frz + b * r.frz_step),
        shield=i8(r.shield + b * r.shield_step),
        mark=i8(r.mark + b * r.mark_step),
        posture=i8(r.posture + b * r.posture_step),
        pause=i16(r.pause + b * r.pause_step),
        dead=i8(r.dead + b * r.dead_step),
        act=i16(r.act + b * r.act_step),
        got=f32(r.got + b * r.got_step),
        flag=u8(r.flag + b * r.flag_step),
        hearts=i32(r.hearts + b * r.hearts_step),
        struck=i32(r.struck + b * r.struck_step),
        kin=u8(r.kin + b * r.kin_step),
        suit=i8(r.suit + b * r.suit_step),
        suit_left=i16(r.suit_left + b * r.suit_left_step),
        bond=i32(r.bond + b * r.bond_step),
        vows=i32(r.vows + b * r.vows_step),
        occ=i8(r.occ + b * r.occ_step),
        canvas=u8(r.canvas + b * r.canvas_step),
        order=i8(r.order + b * r.order_step),
        inv0=i16(r.inv0 + b * r.inv0_step),
        worth=f64(r.worth + b * r.worth_step),
        list=i32(r.list + b * r.list_step),
        label=i32(r.label + b * r.label_step),
        todo=i32(r.todo + b * r.todo_step),
        t_verb=i8(r.t_verb + b * r.t_verb_step),
        t_arg=i8(r.t_arg + b * r.t_arg_step),
        t_cost=i32(r.t_cost + b * r.t_cost_step),
        t_body=i8(r.t_body + b * r.t_body_step),
        t_top=i32(r.t_top + b * r.t_top_step),
        t_upkeep=i32(r.t_upkeep + b * r.t_upkeep_step),
        t_can_attack=i8(r.t_can_attack + b * r.t_can_attack_step),
        t_can_jump=i8(r.t_can_jump + b * r.t_can_jump_step),
        t_can_harvest=i8(r.t_can_harvest + b * r.t_can_harvest_step),
        t_can_charge=i8(r.t_can_charge + b * r.t_can_charge_step),
        t_first=i32(r.t_first + b * r.t_first_step),
        t_sight=i16(r.t_sight + b * r.t_sight_step),
        t_need=i16(r.t_need + b * r.t_need_step),
        t_yields=i32(r.t_yields + b * r.t_yields_step),
        t_takes=i16(r.t_takes + b * r.t_takes_step),
        t_gives=i16(r.t_gives + b * r.t_gives_step),
        t_ticks=i16(r.t_ticks + b * r.t_ticks_step),
        t_rest=i16(r.t_rest + b * r.t_rest_step),
        t_most=i16(r.t_most + b * r.t_most_step),
        t_self_run=i8(r.t_self_run + b * r.t_self_run_step),
        t_value=f64(r.t_value + b * r.t_value_step),
        t_given=i16(r.t_given + b * r.t_given_step),
        t_plan=i32(r.t_plan + b * r.t_plan_step),
        t_sketch=u8(r.t_sketch + b * r.t_sketch_step),
        t_start=i32(r.t_start + b * r.t_start_step),
        t_facing=i8(r.t_facing + b * r.t_facing_step),
        t_wall=u8(r.t_wall + b * r.t_wall_step),
        e_hit=u8(r.e_hit + b * r.e_hit_step),
        e_distance=i8(r.e_distance + b * r.e_distance_step),
        e_ate=u8(r.e_ate + b * r.e_ate_step),
        e_fired=u8(r.e_fired + b * r.e_fired_step),
        e_active=u8(r.e_active + b * r.e_active_step),
        e_aim=i8(r.e_aim + b * r.e_aim_step),
        e_aim_agent=i8(r.e_aim_agent + b * r.e_aim_agent_step),
        e_apple_ctx=u8(r.e_apple_ctx + b * r.e_apple_ctx_step),
        e_stock=i32(r.e_stock + b * r.e_stock_step),
        e_t=i32(r.e_t + b * r.e_t_step),
        e_g=i64(r.e_g + b * r.e_g_step),
        e_episode=i64(r.e_episode + b * r.e_episode_step),
        e_failed=u8(r.e_failed + b * r.e_failed_step),
        e_blocked=u8(r.e_blocked + b * r.e_blocked_step),
        e_froze=u8(r.e_froze + b * r.e_froze_step),
        e_harvested=i16(r.e_harvested + b * r.e_harvested_step),
        e_consumed=i16(r.e_consumed + b * r.e_consumed_step),
        e_produced=i16(r.e_produced + b * r.e_produced_step),
        e_looted=i16(r.e_looted + b * r.e_looted_step),
        e_gift_to=i8(r.e_gift_to + b * r.e_gift_to_step),
        e_gave_items=i16(r.e_gave_items + b * r.e_gave_items_step),
        e_gave_energy=i32(r.e_gave_energy + b * r.e_gave_energy_step),
        e_marked=i8(r.e_marked + b * r.e_marked_step),
        e_shielded=u8(r.e_shielded + b * r.e_shielded_step),
        e_swapped=u8(r.e_swapped + b * r.e_swapped_step),
        e_built=u8(r.e_built + b * r.e_built_step),
        e_destroyed=i16(r.e_destroyed + b * r.e_destroyed_step),
        e_energy=i32(r.e_energy + b * r.e_energy_step),
        e_energy_charged=i32(r.e_energy_charged + b * r.e_energy_charged_step),
        e_energy_regained=i32(r.e_energy_regained + b * r.e_energy_regained_step),
        e_energy_spent=i32(r.e_energy_spent + b * r.e_energy_spent_step),
        e_energy_lost=i32(r.e_energy_lost + b * r.e_energy_lost_step),
        e_energy_stolen=i32(r.e_energy_stolen + b * r.e_energy_stolen_step),
        e_energy_received=i32(r.e_energy_received + b * r.e_energy_received_step),
        e_court_to=i8(r.e_court_to + b * r.e_court_to_step),
        e_energy_court=i32(r.e_energy_court + b * r.e_energy_court_step),
        e_bonded=i16(r.e_bonded + b * r.e_bonded_step),
        e_parted=i16(r.e_parted + b * r.e_parted_step),
        e_mate_hearts=i16(r.e_mate_hearts + b * r.e_mate_hearts_step),
        reward=f32(r.reward + b * r.reward_step),
        truncated=u8(r.truncated + b * r.truncated_step),
    )
