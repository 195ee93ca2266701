//! What Bevy derives from an image follows when the image gets another size, and is left alone when it does not.

use std::time::Duration;

use bevy::asset::RenderAssetUsages;
use bevy::camera::primitives::Aabb;
use bevy::camera::visibility::VisibilitySystems;
use bevy::prelude::*;
use bevy::sprite_render::{
    AlphaMode2d, ColorMaterial, MeshMaterial2d, SpriteMaterial, TilemapChunk, TilemapChunkMaterial,
};
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::SpriteGenerated;
use bevy_pixels_gen::pixgen_api::{Kind, Request};
use bevy_pixels_gen::recipe::BakeState;
use bevy_pixels_gen::refresh::{RefreshMaterials, ShowsImages};

use crate::world::World;

/// A game's own material.
#[derive(Asset, TypePath)]
struct Water {
    waves: Handle<Image>,
}

impl ShowsImages for Water {
    fn shows(&self, image: AssetId<Image>) -> bool {
        self.waves.id() == image
    }
}

#[derive(Resource, Default)]
struct Touched([usize; 4]);

fn count<A: Asset>(index: usize) -> impl FnMut(MessageReader<AssetEvent<A>>, ResMut<Touched>) {
    move |mut events, mut touched| {
        touched.0[index] += events.read().filter(|event| matches!(event, AssetEvent::Modified { .. })).count();
    }
}

fn world() -> World {
    World::with_fake_and(tempfile::tempdir().unwrap(), Duration::from_millis(1), |app| {
        let counts = (
            count::<ColorMaterial>(0),
            count::<TilemapChunkMaterial>(1),
            count::<SpriteMaterial>(2),
            count::<Water>(3),
        );
        app.init_asset::<Mesh>()
            .init_asset::<ColorMaterial>()
            .init_asset::<TilemapChunkMaterial>()
            .init_asset::<SpriteMaterial>()
            .init_asset::<Water>()
            .init_resource::<Touched>()
            .add_plugins(RefreshMaterials::<Water>::default())
            .add_systems(Last, counts)
            .add_systems(PostUpdate, bevy::sprite::calculate_bounds_2d.in_set(VisibilitySystems::CalculateBounds));
    })
}

fn draw(world: &mut World, path: &str, seed: u64, size_px: u32) {
    world.seen().modified.clear();
    world.wish(Request { seed: Some(seed), size_px, ..Request::new(Kind::Item, "a potion") }, path);
    world.success();
    // Read again from the disk, which on a busy machine takes more than some frames.
    world.until("the new pixels", |world| (!world.seen().modified.is_empty()).then_some(()));
    (0..10).for_each(|_| world.frame());
}

fn half_extents(world: &World, entity: Entity) -> Vec2 {
    world.app.world().get::<Aabb>(entity).unwrap().half_extents.truncate()
}

#[derive(Resource, Default)]
struct Told(Vec<Entity>);

#[test]
fn everything_that_shows_a_new_sprite_is_told_of_it() {
    let mut world = world();
    world.app.init_resource::<Told>();
    world.app.add_observer(|told: On<SpriteGenerated>, mut all: ResMut<Told>| all.0.push(told.entity));
    let (sprite, image) = world.spawn("gen://potion.png");
    let (_, other) = world.spawn("gen://other.png");
    let mut spawn = |image: &Handle<Image>| {
        let world = world.app.world_mut();
        let material = world.resource_mut::<Assets<ColorMaterial>>().add(ColorMaterial::from(image.clone()));
        let chunk = TilemapChunk {
            chunk_size: UVec2::ONE,
            tile_display_size: UVec2::splat(16),
            tileset: image.clone(),
            alpha_mode: AlphaMode2d::Blend,
        };
        [
            world.spawn(SpriteMesh::from_image(image.clone())).id(),
            world.spawn(MeshMaterial2d(material)).id(),
            world.spawn(chunk).id(),
        ]
    };
    let shows = spawn(&image);
    spawn(&other);
    draw(&mut world, "potion", 1, 16);
    let mut told = world.app.world().resource::<Told>().0.clone();
    told.sort();
    let mut expected = vec![sprite];
    expected.extend(shows);
    expected.sort();
    assert_eq!(told, expected, "each once, and nobody else");
}

#[test]
fn materials_and_tilemaps_are_bound_anew_when_a_size_changes_and_only_then() {
    let mut world = world();
    let (_, image) = world.spawn("gen://potion.png");
    let (_, other) = world.spawn("gen://other.png");
    draw(&mut world, "potion", 1, 16);
    draw(&mut world, "other", 1, 16);
    let tile_data = world.app.world_mut().resource_mut::<Assets<Image>>().add(Image::default());
    let mut add = |image: &Handle<Image>| {
        let world = world.app.world_mut();
        let color = world.resource_mut::<Assets<ColorMaterial>>().add(ColorMaterial::from(image.clone()));
        let tiles = world.resource_mut::<Assets<TilemapChunkMaterial>>().add(TilemapChunkMaterial {
            tileset: image.clone(),
            tile_data: tile_data.clone(),
            alpha_mode: AlphaMode2d::Blend,
        });
        let sprite = SpriteMaterial { image: image.clone(), ..default() };
        let sprite = world.resource_mut::<Assets<SpriteMaterial>>().add(sprite);
        let water = world.resource_mut::<Assets<Water>>().add(Water { waves: image.clone() });
        (color, tiles, sprite, water)
    };
    let _keep = [add(&image), add(&other)];
    (0..3).for_each(|_| world.frame());
    assert_eq!(world.app.world().resource::<Touched>().0, [0; 4]);

    draw(&mut world, "potion", 2, 16);
    assert_eq!(world.app.world().resource::<Touched>().0, [0; 4], "the texture of the same size was written into");
    draw(&mut world, "potion", 3, 32);
    assert_eq!(world.app.world().resource::<Touched>().0, [1; 4], "each kind once, and not those of the other image");
    draw(&mut world, "potion", 4, 16);
    assert_eq!(world.app.world().resource::<Touched>().0, [2; 4]);
}

#[test]
fn bounds_follow_the_picture_and_the_cells_of_an_atlas() {
    let mut world = world();
    let (plain, _) = world.spawn("gen://potion.png");
    world.write("assets/a.sprite.ron", "(prompt: \"a potion\", size_px: 16)");
    let sheet: Handle<SpriteSheet> = world.load("a.sprite.ron");
    let fresh = |world: &mut World| {
        world.until("the sprite", |world| {
            world.asset(&sheet).is_some_and(|sheet| sheet.bake == BakeState::Fresh).then_some(())
        });
        (0..3).for_each(|_| world.frame());
    };
    fresh(&mut world);
    let sprite = world.asset(&sheet).unwrap().sprite(0);
    let cell = world.app.world_mut().spawn(sprite).id();
    draw(&mut world, "potion", 1, 16);
    assert_eq!((half_extents(&world, plain), half_extents(&world, cell)), (Vec2::splat(8.0), Vec2::splat(8.0)));
    draw(&mut world, "potion", 2, 32);
    assert_eq!(half_extents(&world, plain), Vec2::splat(16.0));
    world.write("assets/a.sprite.ron", "(prompt: \"a potion\", size_px: 32)");
    world.until("the edit", |world| (world.asset(&sheet)?.bake == BakeState::Stale).then_some(()));
    fresh(&mut world);
    assert_eq!(half_extents(&world, cell), Vec2::splat(16.0));
}

#[test]
fn a_sprite_mesh_gets_the_new_cells_of_its_atlas() {
    let mut world = world();
    let (one, two) = (TextureAtlasLayout::new_empty(UVec2::splat(16)), TextureAtlasLayout::new_empty(UVec2::splat(32)));
    let layout = world.app.world_mut().resource_mut::<Assets<TextureAtlasLayout>>().add(one.clone());
    let atlas = TextureAtlas { layout: layout.clone(), index: 0 };
    let material = SpriteMaterial { texture_atlas: Some(atlas), texture_atlas_layout: Some(one), ..default() };
    let material = world.app.world_mut().resource_mut::<Assets<SpriteMaterial>>().add(material);
    world.frame();
    world.app.world_mut().resource_mut::<Assets<TextureAtlasLayout>>().insert(&layout, two).unwrap();
    (0..3).for_each(|_| world.frame());
    assert_eq!(world.asset(&material).unwrap().texture_atlas_layout.as_ref().unwrap().size, UVec2::splat(32));
}

#[test]
fn an_image_of_the_game_itself_is_looked_after_too() {
    let mut world = world();
    let picture = |size: u32| {
        let picture = image::DynamicImage::ImageRgba8(image::RgbaImage::new(size, size));
        Image::from_dynamic(picture, true, RenderAssetUsages::default())
    };
    let image = world.app.world_mut().resource_mut::<Assets<Image>>().add(picture(4));
    let _water = world.app.world_mut().resource_mut::<Assets<Water>>().add(Water { waves: image.clone() });
    (0..3).for_each(|_| world.frame());
    world.app.world_mut().resource_mut::<Assets<Image>>().insert(&image, picture(8)).unwrap();
    (0..3).for_each(|_| world.frame());
    assert_eq!(world.app.world().resource::<Touched>().0[3], 1);
}
